/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel that comes after this one (option --second-kernel of tests/vm/machine): entered by
 * kexec, it runs the same program once more, with the argument "second".
 */
#ifndef SECOND_H
#define SECOND_H

#include <stdbool.h>

/* Is this the second kernel? Then results go on where the first one ended. */
bool second_is(int argc, char **argv);
/*
 * Load it, as a crash kernel or for second_enter(): 0 or -errno. Its digests take long where a
 * guest runs beside it, so this comes first: `ours` results of this program follow in this kernel,
 * and `modules` of its modules; second_wait_for_init() fails if it were others.
 */
int second_load(bool crash, int ours, int modules);
/* Until init has sent all that we printed, and waits: what comes now can cut nothing off. */
void second_wait_for_init(void);
void second_enter(void); /* kexec -e; returns only if that fails */
void second_crash(void); /* a panic; returns only if that fails */

#endif
