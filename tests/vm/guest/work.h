/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests that run by themselves: a table of all payloads, each with what the host has to do
 * for it, and VMs whose vCPUs run in threads until they are told to stop.
 */
#ifndef WORK_H
#define WORK_H

#include "vmm.h"

struct payload {
	const char *name;
	guest_fn *fn; /* NULL: guest_real_io */
	unsigned int vm_flags;
	unsigned int rounds; /* for a run that ends, on the AMD machine */
	/* Called at each sync; -errno ends the run. May be NULL. */
	int (*at_sync)(struct vcpu *v, uint64_t value);
	/* Called at the end: did the guest leave what it should? May be NULL. */
	int (*check)(struct vcpu *v);
};

extern const struct payload payloads[];		      /* ends with name NULL */
unsigned int payload_rounds(const struct payload *p); /* for a run that ends */
const struct payload *payload_find(const char *name);

struct work;

/*
 * Starts a VM on `dev` with that many vCPUs. `rounds` 0 means until work_stop(). All
 * threads are pinned to `cpu` unless it is negative.
 */
int work_start(struct work **w, const char *dev, const struct payload *p, int vcpus,
	       uint64_t rounds, int cpu);
uint64_t work_progress(struct work *w, int vcpu);
/* 0 once each vCPU did `rounds` more rounds, -ETIMEDOUT, or -EIO if one stopped. */
int work_advances(struct work *w, uint64_t rounds, int seconds);
/* Waits for the end of a run that ends (-ETIMEDOUT if it does not), and destroys the VM. */
int work_finish(struct work *w, int seconds);
/* Ends an endless run and destroys the VM; -EIO if a vCPU had gone wrong. */
int work_stop(struct work *w);
const char *work_why(void); /* what the last function that failed saw */

/* One run of a payload from start to end. */
int payload_run(const char *dev, const struct payload *p, int vcpus, int seconds);

#endif
