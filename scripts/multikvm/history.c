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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "multikvm.h"

#define HISTORY STATE "/history"
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

char *history_when(const char *wanted)
{
	char *text = host_read(HISTORY), *line, *rest = text, when[40] = "";
	const char *tag;
	struct tm tm;
	time_t at;

	while (rest && (line = strsep(&rest, "\n"))) {
		tag = tag_of(line);
		at = strtoll(line, NULL, 10);
		if (tag && !strcmp(tag, wanted) && gmtime_r(&at, &tm))
			strftime(when, sizeof(when), "%FT%TZ", &tm);
	}
	free(text);
	return *when ? strdup(when) : NULL;
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

int history_add(const char *tag)
{
	char *before = host_read(HISTORY), *text = NULL;
	int err = 0;

	if (!before && errno != ENOENT)
		err = -errno;
	if (!err &&
	    asprintf(&text, "%s%s%lld %s\n", before ? last_lines(before) : "",
		     before && *before ? "\n" : "", (long long)time(NULL), tag) < 0)
		err = -ENOMEM;
	if (!err)
		err = host_replace(text, HISTORY);
	free(before);
	free(text);
	return err;
}
