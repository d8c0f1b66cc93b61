/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel logged since a mark. */
#ifndef KLOG_H
#define KLOG_H

#include <stdbool.h>
#include <stddef.h>

struct klog {
	int fd;
	char *text; /* "<level> <message>\n" for each line since the mark */
	size_t size;
};

int klog_mark(struct klog *k); /* 0 or -errno */
/*
 * The first line since the mark that holds all words (space separated), without its level;
 * NULL if there is none. Waits a second for it.
 */
const char *klog_find(struct klog *k, const char *words);
/* How many lines hold all words. */
int klog_count(struct klog *k, const char *words);
void klog_show(struct klog *k); /* all of it as diag() */
void klog_end(struct klog *k);

#endif
