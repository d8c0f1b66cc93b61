// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "klog.h"
#include "tap.h"

int klog_mark(struct klog *k)
{
	k->text = calloc(1, 1);
	k->size = 0;
	k->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (k->fd < 0)
		return -errno;
	return lseek(k->fd, 0, SEEK_END) < 0 ? -errno : 0;
}

/* A record is "prio,seq,time,flags;text\n KEY=value\n...". */
static void take(struct klog *k, char *record)
{
	char *text = strchr(record, ';'), *grown;
	size_t n;

	if (!text)
		return;
	text++;
	text[strcspn(text, "\n")] = 0;
	n = strlen(text) + 3;
	grown = realloc(k->text, k->size + n + 1);
	if (!grown)
		abort();
	k->text = grown;
	k->size += sprintf(k->text + k->size, "%d %s\n", atoi(record) & 7, text);
}

static void refresh(struct klog *k)
{
	char record[8200];
	ssize_t n;

	for (;;) {
		n = read(k->fd, record, sizeof(record) - 1);
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue; /* older records were overwritten */
		if (n <= 0)
			return;
		record[n] = 0;
		take(k, record);
	}
}

static bool holds(const char *line, const char *words)
{
	char word[80];
	size_t n;

	while (*words) {
		n = strcspn(words, " ");
		snprintf(word, sizeof(word), "%.*s", (int)n, words);
		if (!strcasestr(line, word))
			return false;
		words += n;
		words += strspn(words, " ");
	}
	return true;
}

/* The line is in a static buffer. */
static const char *search(struct klog *k, const char *words, int *count)
{
	static char line[1100];
	const char *p = k->text, *found = NULL;
	char copy[1100];

	*count = 0;
	while (*p) {
		snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(p, "\n"), p);
		if (holds(copy + 2, words)) {
			if (!found)
				found = strcpy(line, copy + 2);
			++*count;
		}
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return found;
}

const char *klog_find(struct klog *k, const char *words)
{
	const char *found;
	int i, count;

	for (i = 0; i < 20; i++) {
		refresh(k);
		found = search(k, words, &count);
		if (found)
			return found;
		usleep(50000);
	}
	return NULL;
}

int klog_count(struct klog *k, const char *words)
{
	int count;

	refresh(k);
	search(k, words, &count);
	return count;
}

void klog_show(struct klog *k)
{
	const char *p;

	refresh(k);
	for (p = k->text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		diag("  log: %.*s", (int)strcspn(p, "\n"), p);
}

void klog_end(struct klog *k)
{
	if (k->fd >= 0)
		close(k->fd);
	free(k->text);
}
