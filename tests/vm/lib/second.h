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
 * Load it, as a crash kernel or for second_enter(): 0 or -errno. That copies all of it, which takes
 * long beside busy guests, so it comes first: `ours` results of this program follow in this kernel,
 * and `modules` of its modules; second_wait_for_init() fails if it were others.
 *
 * It is kexec_load(2) of the unpacked kernel: the digests of kexec_file_load(2), and unpacking, would
 * take the Intel machine's emulator minutes.
 */
int second_load(bool crash, int ours, int modules);
/* Until init has sent all that we printed, and waits: what comes now can cut nothing off. */
void second_wait_for_init(void);
void second_enter(void); /* kexec -e; returns only if that fails */
void second_crash(void); /* a panic; returns only if that fails */

#endif
