/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Results as TAP on stdout, the plan last. Each line is one write(2), so lines of several
 * threads and processes never mix. Numbers are shared by a process and its children.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

#define TAP_FMT(n) __attribute__((format(printf, n, n + 1)))

/* Returns `good`, so that what depends on it can be left out. */
bool ok(bool good, const char *name, ...) TAP_FMT(2);
/* ok if err is 0, else not ok with the text of the error number below it. */
bool ok_errno(int err, const char *name, ...) TAP_FMT(2);
/* ok if got == want, else both are shown. */
bool ok_is(long long got, long long want, const char *name, ...) TAP_FMT(3);
/* ok if err is -want: the expected refusal. */
bool ok_refused(int err, int want, const char *name, ...) TAP_FMT(3);
void skip(const char *why, const char *name, ...) TAP_FMT(2);
void diag(const char *fmt, ...) TAP_FMT(1);
/* A result without which nothing else makes sense: ends the program if it is not 0. */
void need(int err, const char *name, ...) TAP_FMT(2);
/* Prints the plan. Return this from main(). */
int tap_end(void);
/* For a program that makes the kernel panic: the plan, with `more` results that come after it. */
void tap_plan(int more);
int tap_count(void); /* results so far */
/* Results are numbered on from these, which another kernel printed. */
void tap_continue(int before);

#endif
