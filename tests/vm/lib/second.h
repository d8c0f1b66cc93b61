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
 * Load it, as a crash kernel or for second_enter(): 0 or -errno. No result of this program may follow
 * in this kernel; `more` are counted that its modules give.
 */
int second_load(bool crash, int more);
/* Until init has sent all that we printed, and waits: what comes now can cut nothing off. */
void second_wait_for_init(void);
void second_enter(void); /* kexec -e; returns only if that fails */
void second_crash(void); /* a panic; returns only if that fails */

#endif
