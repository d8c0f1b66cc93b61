/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small VMM for tests: one VM with a fixed memory map (guest.h), vCPUs that run a payload
 * in the caller's thread, step by step, or each in a thread of its own (work.h).
 *
 * Functions return 0 or -errno. Nothing here prints.
 */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "payloads.h"

#define VM_MAX_VCPUS 8

enum {
	VM_IRQCHIP = 1,	      /* local APICs, PIC and IOAPIC in the kernel */
	VM_DIRTY_LOG = 2,     /* on the dirty slot */
	VM_SPLIT_IRQCHIP = 4, /* with VM_IRQCHIP: only the local APICs are in the kernel */
};

struct vcpu;

struct vm {
	int dev; /* the open device */
	int fd;
	unsigned int flags;
	void *ram; /* slot 0: guest physical 0 */
	size_t ram_size;
	void *dirty;			   /* slot 1: DIRTY_GPA */
	uint64_t logged[DIRTY_PAGES / 64]; /* read from the log, not yet asked for */
	pthread_mutex_t log_lock;
	int run_size;
	struct kvm_cpuid2 *cpuid; /* what each new vCPU gets; tests may edit it */
	struct vcpu *vcpu[VM_MAX_VCPUS];
};

struct vcpu {
	struct vm *vm;
	int fd;
	int id;
	struct kvm_run *run;
	struct guest_area *area;
	volatile bool kicked; /* run no further, set by vcpu_kick() */
	uint32_t scratch;     /* last value written to PORT_SCRATCH or MMIO */
	uint64_t exits;	      /* to user space */
	/* Called instead of ioctl(KVM_RUN) if set. */
	int (*enter)(struct vcpu *v);
};

enum event_kind {
	EV_SYNC, /* value: what the guest said */
	EV_DONE,
	EV_FAIL,     /* value: line, see LINES_OF_SECRETS, or FAIL_EXCEPTION | vector */
	EV_HLT,	     /* only without VM_IRQCHIP */
	EV_SHUTDOWN, /* triple fault */
	EV_KICKED,
	EV_OTHER, /* value: an exit reason nobody expects */
	EV_ERROR, /* value: errno of KVM_RUN */
};

struct event {
	enum event_kind kind;
	uint64_t value;
};

int vm_create(struct vm **vm, const char *dev, unsigned int flags);
void vm_destroy(struct vm *vm); /* vCPUs too; NULL is fine */
void *vm_gpa(struct vm *vm, uint64_t gpa);
/* The secret page of vCPU `id` is this page of slot 0 (before it runs). */
void vm_map_secret(struct vm *vm, int id, uint64_t gpa);
/* Which of the 64 pages from 64 * word on were written since the last call for `word`. */
int vm_dirty_log(struct vm *vm, int word, uint64_t *bits);
int vm_signal_msi(struct vm *vm, int apic_id, int vector);
/* An interrupt for apic_id whenever the returned eventfd is written; -errno on failure. */
int vm_irqfd(struct vm *vm, int apic_id, int vector);

int vcpu_create(struct vm *vm, struct vcpu **vcpu);
int vcpu_set_long(struct vcpu *v, guest_fn *fn, uint64_t rounds, uint64_t seed);
int vcpu_set_real(struct vcpu *v, char *entry, uint64_t rounds);
/* Runs to the next event. Port and MMIO scratch accesses are answered here. */
void vcpu_run(struct vcpu *v, struct event *e);
/* Makes vcpu_run() return EV_KICKED soon, from any thread; `thread` may be the caller. */
void vcpu_kick(struct vcpu *v, pthread_t thread);
int vcpu_interrupt(struct vcpu *v, int vector); /* KVM_INTERRUPT, without VM_IRQCHIP */
void vcpu_drop_pages(struct vcpu *v);		/* the pages of TOUCH_GPA are new again */
int vcpu_get_msr(struct vcpu *v, uint32_t msr, uint64_t *value);
int vcpu_set_msr(struct vcpu *v, uint32_t msr, uint64_t value);
int vcpu_get_regs(struct vcpu *v, struct kvm_regs *regs);
int vcpu_set_regs(struct vcpu *v, const struct kvm_regs *regs);
int vcpu_get_sregs(struct vcpu *v, struct kvm_sregs *sregs);
int vcpu_set_sregs(struct vcpu *v, const struct kvm_sregs *sregs);
/* Sets one CPUID leaf; before or instead of the VM's own. */
int vcpu_set_cpuid(struct vcpu *v, const struct kvm_cpuid_entry2 *leaf);
int vcpu_tsc_khz(struct vcpu *v); /* or -errno */
int vcpu_set_tsc_khz(struct vcpu *v, int khz);
int vcpu_get_tsc_offset(struct vcpu *v, uint64_t *offset);
int vcpu_set_tsc_offset(struct vcpu *v, uint64_t offset);

/* What happened, in words; a static buffer of the calling thread. */
const char *event_text(const struct vcpu *v, const struct event *e);

#endif
