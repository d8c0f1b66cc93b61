/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VMM in a process of its own, with one VM that does I/O for ever: each port access, MMIO, MSR access,
 * ioeventfd, coalesced write, interrupt and timer tick has a number or is counted by both sides, so that
 * one that is lost, doubled or out of order is named: "vCPU 1: PIO in 1234, wanted 1235". Its clocks never
 * go back, its registers keep what the guest wrote.
 *
 * It is made as real VMMs are: a thread for each vCPU, one that polls eventfds and sends interrupts, one
 * that waits and kicks vCPUs with a signal. The process that started it sees what it does in shared
 * memory, and needs no help of it.
 *
 * Functions return 0 or -errno, with the reason in numbered_why().
 */
#ifndef NUMBERED_H
#define NUMBERED_H

#include <stdint.h>
#include <sys/types.h>

struct numbered;

enum {
	NUMBERED_SECCOMP =
		1, /* only the system calls and ioctls that it uses; others kill it */
	NUMBERED_CHROOT = 2, /* into an empty folder */
	NUMBERED_USER = 4,   /* as user and group 65534, without capabilities */
	NUMBERED_DUP = 8,    /* interrupts are sent by a dup() of the VM's file */
	NUMBERED_STATS = 16, /* with open files of statistics */
	NUMBERED_SPLIT = 32, /* IOAPIC in user space: interrupts are MSIs only */
};

/* What is done wrong once, to see that it is noticed. */
enum numbered_fault {
	FAULT_NONE,
	FAULT_PIO_OUT_LOST,
	FAULT_PIO_OUT_TWICE,
	FAULT_PIO_IN_TWICE, /* answered with the number before */
	FAULT_MMIO_WRITE_LOST,
	FAULT_MMIO_WRITE_TWICE,
	FAULT_MMIO_READ_TWICE,
	FAULT_MSR_WRITE_LOST,
	FAULT_MSR_READ_TWICE,
	FAULT_KICK_LOST,
	FAULT_KICK_TWICE,
	FAULT_COALESCED_LOST,
	FAULT_COALESCED_TWICE,
	FAULT_IRQFD_LOST,
	FAULT_IRQFD_TWICE,
	FAULT_LEVEL_LOST,
	FAULT_LEVEL_TWICE,
	FAULT_RESAMPLE_LOST,
	FAULT_RESAMPLE_TWICE,
	FAULT_LINE_LOST,
	FAULT_LINE_TWICE,
	FAULT_MSI_LOST,
	FAULT_MSI_TWICE,
	FAULT_ONE_SHOT_LOST, /* the local APIC's timer is stopped */
	FAULT_DEADLINE_LOST,
	FAULT_TICK_TWICE,
	FAULT_TIMER_AGAIN, /* the local APIC is set as it was read: a one-shot timer runs out again */
	FAULT_TSC_BACK, /* by half of it */
	FAULT_CLOCK_BACK,
	FAULT_FPU, /* one bit of a register changes, here and below */
	FAULT_FLAGS,
	FAULT_DEBUG,
	FAULT_MSRS,
	FAULT_HALT, /* a vCPU's thread does not return to KVM_RUN */
	FAULTS
};

struct numbered_options {
	const char *dev;
	int vcpus; /* up to 4 */
	unsigned int flags;
	enum numbered_fault fault;
	int patience; /* seconds until what does not come is lost; 0: 10 */
	int still;    /* seconds until a vCPU without a round stands still; 0: 30 */
};

/* Does not wait: several of them can make their VMs at once. */
int numbered_start(struct numbered **n, const struct numbered_options *o);
int numbered_runs(struct numbered *n, int seconds); /* waits until it does */
/* 0 once each vCPU did `rounds` more; -ETIMEDOUT; -EIO if something was wrong. */
int numbered_advances(struct numbered *n, uint64_t rounds, int seconds);
/* That many times more, devices that share a line may be asked whether they have an interrupt. */
void numbered_may_ask(struct numbered *n, int times);
/* 0 once something was wrong, which numbered_why() says; -ETIMEDOUT. */
int numbered_fails(struct numbered *n, int seconds);
/* All that was sent has come; ends it, and frees what it had. -EIO if anything was ever wrong. */
int numbered_stop(struct numbered *n);
void numbered_kill(struct numbered *n);

pid_t numbered_pid(const struct numbered *n);
uint64_t numbered_rounds(const struct numbered *n, int vcpu);
/* The longest that the guest's TSC shows between two looks, in us, of all vCPUs; counted anew. */
uint64_t numbered_gap(struct numbered *n);
/* How far kvmclock is behind the host's clock, in us, compared with the beginning; vCPU 0's. */
int64_t numbered_behind(const struct numbered *n);
const char *numbered_why(void);
/* What a vCPU has done, in words; a static buffer. */
const char *numbered_text(const struct numbered *n, int vcpu);

#endif
