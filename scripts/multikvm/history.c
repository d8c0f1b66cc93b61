// SPDX-License-Identifier: GPL-2.0-only
/*
 * history.c - /var/lib/multi-kvm/history: which tags were made the default, a line each with the
 * seconds since 1970 and the tag, the latest last.
 *
 * A new line comes with a new file that takes the place of the old one, so that the history is
 * whole after a full disk or a power cut. Under host_lock().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "multikvm.h"

#define FOLDER	"/var/lib/multi-kvm"
#define HISTORY FOLDER "/history"
#define LINES	100 /* that are kept */

/* The tag of a line "SECONDS TAG", or NULL. */
static const char *tag_of(const char *line)
{
	const char *space = strchr(line, ' ');

	return space && is_tag(space + 1) ? space + 1 : NULL;
}

char *history_previous(const char *now)
{
	char *text = host_read(HISTORY), *line, *rest = text, *found = NULL;
	const char *tag;

	while (rest && (line = strsep(&rest, "\n"))) {
		tag = tag_of(line);
		if (!tag || (now && !strcmp(tag, now)))
			continue;
		free(found);
		found = strdup(tag);
	}
	free(text);
	return found;
}

/* The last lines of `text`, so many that one more is LINES; the last one has no newline. */
static const char *last_lines(const char *text)
{
	const char *at = text + strlen(text);
	int n = LINES - 2; /* newlines between them */

	while (at > text && (at[-1] != '\n' || n-- > 0))
		at--;
	return at;
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

static int write_new(const char *folder, const char *before, const char *tag)
{
	char *path = NULL, *fresh = NULL;
	int err = -ENOMEM, dir_err;
	FILE *file;

	if (asprintf(&path, "%s/history", folder) < 0 ||
	    asprintf(&fresh, "%s/.history.new", folder) < 0)
		goto out;
	file = fopen(fresh, "we");
	if (!file) {
		err = -errno;
		goto out;
	}
	fprintf(file, "%s%s%lld %s\n", before, *before ? "\n" : "", (long long)time(NULL),
		tag);
	/* Root's rollback goes by it, and everybody's status reads it, whatever the umask is. */
	err = fchmod(fileno(file), 0644) || fflush(file) || fsync(fileno(file)) ? -errno
										: 0;
	if (fclose(file) && !err)
		err = -errno;
	if (!err && rename(fresh, path))
		err = -errno;
	if (err)
		unlink(fresh);
	dir_err = err ? 0 : sync_folder(folder);
	err = err ? err : dir_err;
out:
	free(path);
	free(fresh);
	return err;
}

enum status history_add(const char *tag)
{
	char *folder = host_path(FOLDER), *before = host_read(HISTORY);
	int err = 0;

	if (!before && errno != ENOENT)
		err = -errno;
	if (!err && mkdir(folder, 0755) && errno != EEXIST)
		err = -errno;
	if (!err)
		err = write_new(folder, before ? last_lines(before) : "", tag);
	free(before);
	free(folder);
	if (err)
		return fail(SYSTEM, "cannot write " HISTORY ": %s", strerror(-err));
	return DONE;
}
