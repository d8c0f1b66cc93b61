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
#include <sys/uio.h>
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
	if (target_status(pid, pid, "Tgid", 10) != pid)
		return target_fail(target, NOT_FOUND, "there is no process %d", pid);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	target->mem = open(path, O_RDWR | O_CLOEXEC);
	target->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (target->pidfd < 0)
		return target_fail(target, SYSTEM, "cannot open process %d: %s", pid,
				   strerror(errno));
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

static int transfer(struct target *target, uint64_t at, void *here, size_t size,
		    ssize_t (*by)(pid_t, const struct iovec *, unsigned long,
				  const struct iovec *, unsigned long, unsigned long),
		    const char *what)
{
	struct iovec local, remote;
	ssize_t done;

	while (size) {
		local = (struct iovec){ here, size };
		remote = (struct iovec){ (void *)at, size };
		done = by(target->pid, &local, 1, &remote, 1, 0);
		if (done <= 0)
			return target_fail(
				target, SYSTEM,
				"cannot %s the memory of process %d at %llx: %s", what,
				target->pid, (unsigned long long)at,
				done ? strerror(errno) : "it ends there");
		at += done;
		here = (char *)here + done;
		size -= done;
	}
	return 0;
}

int target_read(struct target *target, uint64_t from, void *to, size_t size)
{
	return transfer(target, from, to, size, process_vm_readv, "read");
}

bool target_peek(struct target *target, uint64_t from, void *to, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)from, size };

	return process_vm_readv(target->pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

int target_write(struct target *target, uint64_t to, const void *from, size_t size)
{
	int err;

	instant();
	err = transfer(target, to, (void *)from, size, process_vm_writev, "write");
	instant();
	return err;
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
