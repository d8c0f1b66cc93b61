/* SPDX-License-Identifier: GPL-2.0-only */
/* VMCSs of both instances, launched and active on each CPU. */
#ifndef ACTIVE_H
#define ACTIVE_H

#define ACTIVE_MAX 16

struct vm;

struct active {
	int n;
	int cpu[ACTIVE_MAX];
	const char *of[ACTIVE_MAX]; /* tag of the instance */
	unsigned long long vmcs[ACTIVE_MAX];
	struct vm *vm[2];
};

/*
 * Makes a VM of each instance with two vCPUs a CPU. Each enters its guest there and comes back;
 * nothing runs afterwards. Ends the program if it cannot.
 */
void active_make(struct active *a);
/* Arguments for crash-path.ko. */
const char *active_params(const struct active *a, const char *more);
void active_end(struct active *a);

/* A guest of each instance runs on each CPU, until the machine ends. */
void active_run(void);

#endif
