// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - files of the host, most of them of sysfs and proc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "multikvm.h"

#define LOCK "/run/multikvm.lock"

static char *path_of(const char *fmt, va_list ap)
{
	const char *root = getenv("MULTIKVM_ROOT");
	char *path, *whole;

	if (vasprintf(&path, fmt, ap) < 0)
		return NULL;
	if (!root)
		return path;
	if (asprintf(&whole, "%s%s", root, path) < 0)
		whole = NULL;
	free(path);
	return whole;
}

#define PATH(path, fmt)                        \
	do {                                   \
		va_list ap;                    \
		va_start(ap, fmt);             \
		(path) = path_of((fmt), (ap)); \
		va_end(ap);                    \
	} while (0)

char *host_path(const char *fmt, ...)
{
	char *path;

	PATH(path, fmt);
	return path;
}

bool host_has(const char *fmt, ...)
{
	char *path;
	bool there;

	PATH(path, fmt);
	there = path && !access(path, F_OK);
	free(path);
	return there;
}

/* A file of proc and sysfs has no size: it is read until there is no more. */
static char *read_all(const char *path)
{
	size_t size = 0, room = 4096;
	char *text = malloc(room), *more;
	int fd, err = 0;
	ssize_t n = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !text) {
		err = fd < 0 ? errno : ENOMEM;
		goto out;
	}
	while ((n = read(fd, text + size, room - size - 1)) > 0) {
		size += n;
		if (size + 1 < room)
			continue;
		more = realloc(text, room *= 2);
		if (!more) {
			err = ENOMEM;
			goto out;
		}
		text = more;
	}
	if (n < 0)
		err = errno;
out:
	if (fd >= 0)
		close(fd);
	if (err) {
		free(text);
		errno = err;
		return NULL;
	}
	while (size && strchr(" \n", text[size - 1]))
		size--;
	text[size] = '\0';
	return text;
}

char *host_read(const char *fmt, ...)
{
	char *path, *text;

	PATH(path, fmt);
	if (!path) {
		errno = ENOMEM;
		return NULL;
	}
	text = read_all(path);
	free(path);
	return text;
}

long long host_number(const char *fmt, ...)
{
	char *path, *text, *end;
	long long value;

	PATH(path, fmt);
	if (!path)
		return -ENOMEM;
	text = read_all(path);
	free(path);
	if (!text)
		return -errno;
	value = strtoll(text, &end, 10);
	if (end == text || *end)
		value = -EINVAL;
	free(text);
	return value;
}

int host_write(const char *text, const char *fmt, ...)
{
	ssize_t size = strlen(text);
	char *path;
	int fd, err = 0;

	PATH(path, fmt);
	if (!path)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		err = -errno;
	else if (write(fd, text, size) != size)
		err = errno ? -errno : -EIO;
	if (fd >= 0)
		close(fd);
	free(path);
	return err;
}

enum status host_lock(const char *command)
{
	char *path;
	int fd;

	if (geteuid() && !getenv("MULTIKVM_ROOT"))
		return fail(REFUSED, "only root can do that\nnext: sudo multikvm %s",
			    command);
	path = host_path(LOCK);
	fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	free(path);
	if (fd < 0)
		return fail(SYSTEM, "cannot open " LOCK ": %s", strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		say("waiting for another multikvm");
		while (flock(fd, LOCK_EX))
			if (errno != EINTR)
				return fail(SYSTEM, "cannot lock " LOCK ": %s",
					    strerror(errno));
	}
	return DONE; /* it stays open, and with that locked, until the program ends */
}
