// SPDX-License-Identifier: GPL-2.0-only
/*
 * refused.c - what was refused last, for tools: /sys/kernel/vac/refused.
 *
 * The log says it to people, in a line whose wording may change. Here it is one
 * word that never changes: README.md beside this file lists all of them. There is
 * one row for each pair of who and why. A repeated refusal is counted in its row,
 * so that it does not push the others out.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>

#include "internal.h"

#define ROWS		16
#define WORD_MAX	31

struct row {
	time64_t last;			/* seconds since 1970; 0: empty */
	u64 order;			/* of the last time, among all */
	unsigned int times;
	char who[MODULE_NAME_LEN];
	char reason[WORD_MAX + 1];
};

static DEFINE_SPINLOCK(lock);		/* of all below; leaf */
static struct row rows[ROWS];
static u64 orders;

static bool is_same(const struct row *row, const char *who, const char *reason)
{
	return row->last && !strncmp(row->who, who, sizeof(row->who) - 1) &&
	       !strncmp(row->reason, reason, sizeof(row->reason) - 1);
}

/* The row of this pair, or else the oldest, which becomes its row; under the lock. */
static struct row *row_for(const char *who, const char *reason)
{
	struct row *row, *oldest = rows;

	for (row = rows; row < rows + ROWS; row++) {
		if (is_same(row, who, reason))
			return row;
		if (row->order < oldest->order)
			oldest = row;
	}
	memset(oldest, 0, sizeof(*oldest));
	strscpy(oldest->who, who, sizeof(oldest->who));
	strscpy(oldest->reason, reason, sizeof(oldest->reason));
	return oldest;
}

/**
 * vac_refused() - Remember that something was refused. The caller writes the log.
 * @who: the module that was refused, or that refused.
 * @reason: one word, [a-z-], of at most 31 characters; a word never changes its meaning.
 *
 * Context: process context.
 */
void vac_refused(const char *who, const char *reason)
{
	struct row *row;

	spin_lock(&lock);
	row = row_for(who, reason);
	row->last = ktime_get_real_seconds();
	row->order = ++orders;
	row->times++;
	spin_unlock(&lock);
}
VAC_EXPORT(vac_refused);

/* For sysfs: one line per row, the latest last. */
ssize_t vac_refused_show(char *buf)
{
	u64 shown = 0;
	ssize_t n = 0;

	spin_lock(&lock);
	for (;;) {
		const struct row *row, *next = NULL;

		for (row = rows; row < rows + ROWS; row++)
			if (row->order > shown && (!next || row->order < next->order))
				next = row;
		if (!next)
			break;
		shown = next->order;
		n += sysfs_emit_at(buf, n, "%lld %u %s %s\n", next->last, next->times, next->who,
				   next->reason);
	}
	spin_unlock(&lock);
	return n;
}
