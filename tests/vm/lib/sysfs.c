// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"
#include "tap.h"

static int vread(char *value, size_t size, const char *fmt, va_list ap)
{
	char path[200];
	ssize_t n;
	int fd;

	vsnprintf(path, sizeof(path), fmt, ap);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, value, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	value[n] = 0;
	value[strcspn(value, "\n")] = 0;
	return 0;
}

int sys_read(char *value, size_t size, const char *path, ...)
{
	va_list ap;
	int r;

	va_start(ap, path);
	r = vread(value, size, path, ap);
	va_end(ap);
	return r;
}

long long sys_read_number(const char *path, ...)
{
	char value[80];
	va_list ap;
	int r;

	va_start(ap, path);
	r = vread(value, sizeof(value), path, ap);
	va_end(ap);
	return r ? r : strtoll(value, NULL, 0);
}

int sys_write(const char *value, const char *fmt, ...)
{
	char path[200];
	va_list ap;
	int fd, r = 0;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		r = -errno;
	close(fd);
	return r;
}

bool sys_there(const char *fmt, ...)
{
	char path[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return !access(path, F_OK);
}

int line_field(const char *line, const char *name, char *value, size_t size)
{
	size_t n = strlen(name), len;

	while (*line) {
		len = strcspn(line, " \n");
		if (len > n && !strncmp(line, name, n) && line[n] == '=') {
			snprintf(value, size, "%.*s", (int)(len - n - 1), line + n + 1);
			return 0;
		}
		line += len;
		line += strspn(line, " \n");
	}
	return -ENOENT;
}

int vac_cpu_field(int cpu, const char *name, char *value, size_t size)
{
	FILE *f = fopen("/sys/kernel/debug/vac/cpus", "re");
	char line[800], n[20];
	int r = -ENXIO;

	if (!f)
		return -errno;
	while (r == -ENXIO && fgets(line, sizeof(line), f))
		if (!line_field(line, "cpu", n, sizeof(n)) && atoi(n) == cpu)
			r = line_field(line, name, value, size);
	fclose(f);
	return r;
}

long long vac_cpu_number(int cpu, const char *name)
{
	char value[80];
	int r = vac_cpu_field(cpu, name, value, sizeof(value));

	return r ? r : strtoll(value, NULL, 0);
}

static void add(struct names *n, const char *name)
{
	n->name = realloc(n->name, (n->n + 1) * sizeof(*n->name));
	if (!n->name)
		abort();
	n->name[n->n++] = strdup(name);
}

struct names names_of_dir(const char *path)
{
	struct names n = { NULL, 0 };
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_type != DT_LNK && e->d_name[0] != '.')
			add(&n, e->d_name);
	if (d)
		closedir(d);
	return n;
}

struct names names_of_lines(const char *path, int skip_lines)
{
	struct names n = { NULL, 0 };
	FILE *f = fopen(path, "re");
	char line[800];

	while (f && fgets(line, sizeof(line), f)) {
		if (skip_lines-- > 0)
			continue;
		line[strcspn(line, " \n")] = 0;
		add(&n, line);
	}
	if (f)
		fclose(f);
	return n;
}

bool names_have(const struct names *n, const char *name)
{
	size_t i;

	for (i = 0; i < n->n; i++)
		if (!strcmp(n->name[i], name))
			return true;
	return false;
}

void names_free(struct names n)
{
	while (n.n)
		free(n.name[--n.n]);
	free(n.name);
}

int names_added(struct names before, struct names now, const char *where)
{
	int added = 0;
	size_t i;

	for (i = 0; i < now.n; i++) {
		if (names_have(&before, now.name[i]))
			continue;
		diag("  new in %s: %s", where, now.name[i]);
		added++;
	}
	names_free(before);
	names_free(now);
	return added;
}
