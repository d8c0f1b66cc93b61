/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard.h - the process that moves one VM. The command only starts it and waits: whoever kills the
 * command ends nothing in the middle.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdint.h>
#include <sys/types.h>

#include "../multikvm.h"

struct guard_job {
	pid_t vmm;
	char from[32], to[32];
	unsigned int max_pause; /* ms */
	bool dry;
};

/* What became of it; times in ns. */
struct verdict {
	enum status status;
	char why[1024]; /* of DONE: what went wrong once it was moved, or "" */
	int vcpus, threads;
	unsigned int tries;
	uint64_t prepare, look, stop, state, go, total;
};

struct guard {
	struct guard_job job;
	pid_t pid;
	int fd;
	const char *stage;
	struct verdict verdict; /* once fd is -1 */
};

int guard_start(struct guard *guard);
/* Waits that long for one of them to end: its index, or -1. Asks all to give up if `stop`. */
int guard_wait(struct guard *guards, int n, int ms, bool stop);

#endif
