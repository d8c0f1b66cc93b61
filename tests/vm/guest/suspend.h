/* SPDX-License-Identifier: GPL-2.0-only */
/* Suspend of the machine while guests run. */
#ifndef SUSPEND_H
#define SUSPEND_H

#include "work.h"

/*
 * Suspends and resumes in every way below, and asks after each whether the two guests, called
 * names[], go on. `resumed`, unless NULL, has more results after each resume.
 *
 * Suspend-to-idle is taken down to the last level that pm_test knows for it ("platform"), then
 * back: the emulated machine's clock cannot wake it from the real thing. It stops tasks and
 * devices, but does not call syscore operations; `mem` with the level "core" does (hazard 2).
 */
void suspend_each_way(struct work *w[2], const char * const names[2],
		      void (*resumed)(void));
/* mem down to the level "core", and back. */
void suspend_to_core(const char *when);

#endif
