// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - files of the host, most of them of sysfs and proc.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "multikvm.h"

#define LOCK   "/run/multikvm.lock"
#define BUILDS "/run/multikvm-builds.lock"

static char *path_of(const char *fmt, va_list ap)
{
	const char *root = NULL;
	char *path, *whole;

#ifdef FOR_TESTS
	root = getenv("MULTIKVM_ROOT");
#endif
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

bool host_has_entry(const char *fmt, ...)
{
	struct stat entry;
	char *path;
	bool there;

	PATH(path, fmt);
	there = path && !lstat(path, &entry);
	free(path);
	return there;
}

/* A file of proc and sysfs has no size: it is read until there is no more. */
char *read_bytes(const char *path, size_t *length)
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
	*length = size;
	return text;
}

char *read_file(const char *path)
{
	size_t size;
	char *text = read_bytes(path, &size);

	if (!text)
		return NULL;
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
	text = read_file(path);
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
	text = read_file(path);
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

/* fsync() of the folder: else the rename may be lost. */
static int sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	err = fd < 0 || fsync(fd) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

static int write_whole(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	int err;

	if (!file)
		return -errno;
	fputs(text, file);
	/* All may read what root has chosen, whatever the umask is. */
	err = fchmod(fileno(file), 0644) || fflush(file) || fsync(fileno(file)) ? -errno
										: 0;
	if (fclose(file) && !err)
		err = -errno;
	return err;
}

int host_replace(const char *text, const char *path)
{
	char *to = host_path("%s", path), *fresh = NULL, *slash;
	int err = -ENOMEM;

	if (!to || asprintf(&fresh, "%s.new", to) < 0)
		goto out;
	slash = strrchr(to, '/');
	*slash = '\0';
	err = mkdir(to, 0755) && errno != EEXIST ? -errno : 0;
	*slash = '/';
	if (!err)
		err = write_whole(fresh, text);
	if (!err && rename(fresh, to))
		err = -errno;
	if (err)
		unlink(fresh);
	*slash = '\0';
	if (!err)
		err = sync_folder(to);
out:
	free(to);
	free(fresh);
	return err;
}

int host_remove(const char *path)
{
	char *whole = host_path("%s", path);
	int err = whole ? 0 : -ENOMEM;

	if (!err && unlink(whole))
		err = errno == ENOENT ? -ENOENT : -errno;
	if (!err) {
		*strrchr(whole, '/') = '\0';
		err = sync_folder(whole);
	}
	free(whole);
	return err == -ENOENT ? 0 : err;
}

json_object *folder_names_of(const char *folder, const char *prefix)
{
	json_object *all = json_object_new_array();
	struct dirent **names;
	int i, n = folder ? scandir(folder, &names, NULL, alphasort) : -1;

	for (i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.' &&
		    !strncmp(names[i]->d_name, prefix, strlen(prefix)))
			json_object_array_add(all,
					      json_object_new_string(names[i]->d_name));
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return all;
}

json_object *folder_names(const char *folder)
{
	return folder_names_of(folder, "");
}

json_object *host_names(const char *fmt, ...)
{
	json_object *names;
	char *path;

	PATH(path, fmt);
	names = folder_names(path);
	free(path);
	return names;
}

const char *host_kernel(void)
{
	static struct utsname host;

	return uname(&host) ? "" : host.release;
}

bool host_is_root(void)
{
#ifdef FOR_TESTS
	return true;
#else
	return !geteuid();
#endif
}

/* The bytes of a character of UTF-8 that a terminal shows, 0 for others: controls, and what is no
 * UTF-8. */
static int shown(const unsigned char *at)
{
	int more = *at < 0x80	    ? 0
		   : *at >> 5 == 6  ? 1
		   : *at >> 4 == 14 ? 2
		   : *at >> 3 == 30 ? 3
				    : -1;
	unsigned int code = *at, least[] = { 0, 0x80, 0x800, 0x10000 };
	int i;

	if (more > 0)
		code &= 0x3f >> more;
	for (i = 1; i <= more; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (more < 0 || code < least[more] || code > 0x10ffff || code >> 11 == 0x1b)
		return 0;
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : more + 1;
}

json_object *host_text(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	char *clean, *to;
	json_object *value;
	int n;

	clean = to = text ? malloc(4 * strlen(text) + 1) : NULL;
	if (!clean)
		return NULL;
	while (*at) {
		n = shown(at);
		if (n)
			to = mempcpy(to, at, n);
		else
			to += sprintf(to, "\\x%02x", *at);
		at += n ? n : 1;
	}
	*to = '\0';
	value = json_object_new_string(clean);
	free(clean);
	return value;
}

static int lock_fd = -1;

void host_keep_lock(void)
{
	if (lock_fd >= 0)
		fcntl(lock_fd, F_SETFD, 0);
}

/* Asked once a second, so that a wish to stop is heard. */
static enum status wait_for_lock(int fd)
{
	bool told = false;

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(SYSTEM, "cannot lock " LOCK ": %s", strerror(errno));
		if (process_stopped())
			return SYSTEM;
		if (!told)
			say("waiting for another multikvm");
		told = true;
		sleep(1);
	}
	return DONE;
}

static enum status open_lock(const char *command, const char *name, int *fd)
{
	char *path;

	if (!host_is_root())
		return fail(REFUSED, "only root can do that\nnext: sudo multikvm %s",
			    command);
	path = host_path("%s", name);
	*fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	free(path);
	if (*fd < 0)
		return fail(SYSTEM, "cannot open %s: %s", name, strerror(errno));
	return wait_for_lock(*fd);
}

enum status host_lock(const char *command)
{
	enum status status = open_lock(command, LOCK, &lock_fd);

	/* It was told. What chooses and loads must work on a full disk, too. */
	if (!status)
		transaction_recover();
	return status; /* it stays open, and with that locked, until the program ends */
}

void host_unlock(void)
{
	close(lock_fd);
	lock_fd = -1;
}

void host_clean(void)
{
	char *path = host_path(BUILDS);
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		transaction_remove_rests();
	free(path);
	/* Like the other one it stays locked until the program ends. */
}

enum status host_lock_builds(const char *command)
{
	int fd;
	enum status status = open_lock(command, BUILDS, &fd);

	if (!status)
		status = open_lock(command, LOCK, &lock_fd);
	if (!status)
		status = transaction_recover();
	if (!status)
		transaction_remove_rests();
	return status;
}
