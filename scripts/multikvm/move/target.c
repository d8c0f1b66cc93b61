// SPDX-License-Identifier: GPL-2.0-only
/*
 * target.c - the process whose VM is moved, and its memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "target.h"

#ifdef FOR_TESTS
unsigned int instants;

void instant(void)
{
	const char *at = getenv("MULTIKVM_KILL_AT");

	if (++instants == (at ? (unsigned int)atoi(at) : 0))
		kill(getpid(), SIGKILL);
}
#endif

uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 * MS + time.tv_nsec;
}

int target_fail(struct target *target, enum status status, const char *fmt, ...)
{
	va_list ap;
	char *at;

	if (!target->status) {
		target->status = status;
		va_start(ap, fmt);
		vsnprintf(target->why, sizeof(target->why), fmt, ap);
		va_end(ap);
		/* Names of processes and files are their makers', and come to a terminal. */
		for (at = target->why; *at; at++)
			if ((unsigned char)*at < ' ' && *at != '\n')
				*at = '?';
	}
	return -ECANCELED;
}

/* A number of /proc/PID/task/TID/status, or -errno. */
long long target_status(pid_t pid, pid_t tid, const char *key, int base)
{
	char path[64], line[256], *value;
	size_t length = strlen(key);
	long long number = -ENOENT;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (number < 0 && fgets(line, sizeof(line), file)) {
		value = line + length + 1;
		if (!strncmp(line, key, length) && line[length] == ':')
			number = strtoll(value, NULL, base);
	}
	fclose(file);
	return number;
}

int target_open(struct target *target, pid_t pid)
{
	char path[64];

	*target = (struct target){ .pid = pid, .pidfd = -1, .mem = -1, .socket = -1 };
	target->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (target->pidfd < 0)
		return target_fail(target, errno == ESRCH ? NOT_FOUND : SYSTEM,
				   "cannot open process %d: %s", pid, strerror(errno));
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	target->mem = open(path, O_RDWR | O_CLOEXEC);
	if (target->mem < 0)
		return target_fail(target,
				   errno == ESRCH || errno == ENOENT ? NOT_FOUND : SYSTEM,
				   "cannot open the memory of process %d: %s", pid,
				   strerror(errno));
	/* As long as it has not been waited for, the number was its own. */
	if (syscall(SYS_pidfd_send_signal, target->pidfd, 0, NULL, 0))
		return target_fail(target, NOT_FOUND, "process %d has ended", pid);
	return 0;
}

void target_close(struct target *target)
{
	if (target->socket >= 0)
		close(target->socket);
	if (target->mem >= 0)
		close(target->mem);
	if (target->pidfd >= 0)
		close(target->pidfd);
	free(target->threads);
	free(target->image);
	target->threads = NULL;
	target->image = NULL;
}

static int went(struct target *target, uint64_t at, ssize_t done, const char *what)
{
	if (done > 0)
		return 0;
	if (!done)
		return target_fail(target, NOT_FOUND,
				   "process %d has ended, or executes another program",
				   target->pid);
	return target_fail(target, SYSTEM,
			   "cannot %s the memory of process %d at %llx: %s", what,
			   target->pid, (unsigned long long)at, strerror(errno));
}

/*
 * By its file, which is the memory that the process had when it was opened: another program that it
 * executes has another one, at the same addresses.
 */
int target_read(struct target *target, uint64_t from, void *to, size_t size)
{
	ssize_t done;
	int err;

	while (size) {
		done = pread(target->mem, to, size, from);
		err = went(target, from, done, "read");
		if (err)
			return err;
		to = (char *)to + done;
		from += done;
		size -= done;
	}
	return 0;
}

bool target_peek(struct target *target, uint64_t from, void *to, size_t size)
{
	return pread(target->mem, to, size, from) == (ssize_t)size;
}

int target_write(struct target *target, uint64_t to, const void *from, size_t size)
{
	ssize_t done;
	int err;

	instant();
	while (size) {
		done = pwrite(target->mem, from, size, to);
		err = went(target, to, done, "write");
		if (err)
			return err;
		from = (const char *)from + done;
		to += done;
		size -= done;
	}
	instant();
	return 0;
}

int target_maps(struct target *target, int (*each)(const struct mapping *, void *),
		void *data)
{
	char path[64], *line = NULL;
	struct mapping map;
	int found = 0, name;
	size_t room = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", target->pid);
	file = fopen(path, "re");
	if (!file)
		return target_fail(target, SYSTEM, "cannot read %s: %s", path,
				   strerror(errno));
	while (!found && getline(&line, &room, file) > 0) {
		name = 0;
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &map.start, &map.end,
			   map.prot, &map.offset, &name) < 4)
			continue;
		snprintf(map.name, sizeof(map.name), "%s", name ? line + name : "");
		found = each(&map, data);
	}
	free(line);
	fclose(file);
	return found;
}
