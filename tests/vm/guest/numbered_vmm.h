/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of numbered.h share: numbered*.c. */
#ifndef NUMBERED_VMM_H
#define NUMBERED_VMM_H

#include <stdbool.h>

#include "numbered.h"
#include "numbered_io.h"
#include "vmm.h"

enum numbered_state {
	STATE_STARTING,
	STATE_RUNNING,
	STATE_ENDED, /* all was right */
};

/* What the host did for a vCPU, for whoever watches. */
struct numbered_host {
	uint64_t exits;
	uint64_t kicked, interrupted; /* by signals; KVM_RUN returned EINTR */
	uint64_t overflows;	      /* coalesced writes that found the ring full */
	uint64_t sent[SOURCES];
	uint64_t resampled; /* SOURCE_LEVEL's line went down */
	uint64_t asked; /* its device was asked although it had no interrupt, or again */
	uint64_t lowered;		  /* SOURCE_LINE's */
	int64_t clock_behind, tsc_behind; /* ns that the guest's clocks lost */
};

/* Shared by the VMM and the process that started it. */
struct numbered {
	union {
		struct numbered_guest guest;
		char page[GUEST_PAGE];
	} of[NUMBERED_VCPUS]; /* also the guest's, at NUMBERED_GPA */
	struct numbered_options options;
	pid_t pid;	    /* here and below: the parent's; 0 once it has ended */
	int status;	    /* with this */
	volatile int state; /* enum numbered_state */
	volatile bool stop; /* the parent asks for it */
	volatile uint64_t may_ask;
	int failed; /* by the first who fails, who writes why */
	volatile bool why_written;
	char why[300];
	struct numbered_host host[NUMBERED_VCPUS];
};

/* One vCPU's files and numbers, as the VMM keeps them. */
struct numbered_vcpu {
	struct vcpu *v;
	pthread_t thread;
	int kick[KICKS], irqfd, level, resample, stats;
	uint64_t kicks[KICKS];
	uint64_t number[NUMBERED_WHATS];
	uint64_t sent_at[SOURCES], next_at[SOURCES]; /* ns */
	uint64_t rounds[SOURCES]; /* the guest's when one was sent, or has come */
	volatile bool parked;
};

struct numbered_vmm {
	struct numbered *n;
	struct vm *vm;
	int control; /* the VM's file, or a dup() of it */
	int ring_page;
	int stats;
	int sources;
	struct numbered_vcpu of[NUMBERED_VCPUS];
	pthread_mutex_t kick_lock; /* numbered_vcpu.kicks */
	pthread_mutex_t ring_lock; /* the ring of coalesced writes */
	volatile bool quiet;	   /* no more interrupts are sent */
	volatile bool silent;	   /* and all that were sent have come */
	volatile bool parking;	   /* vCPUs stop at the end of their rounds */
	int fault_done;
	int begun; /* threads */
};

/* Makes the VM and all its files. 0 or -errno, with the step that failed. */
int numbered_make(struct numbered_vmm *m, const char **step);
int numbered_line_gsi(int i); /* of SOURCE_LINE */
/* The files of statistics can be read, and say that they are of a VM and of its vCPUs. */
bool numbered_stats_are_right(struct numbered_vmm *m);

/* Before threads, with everything open: 0 or -errno. */
int numbered_jail(unsigned int flags);
/* For all threads, from now on: 0 or -errno. */
int numbered_filter(void);

/* The VMM. Ends the process. */
void numbered_vmm(struct numbered *n) __attribute__((noreturn));

#endif
