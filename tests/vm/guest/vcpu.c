// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define CR0_LONG  0x80050033 /* PG AM WP NE ET MP PE */
#define CR4_LONG  0x620	     /* PAE OSFXSR OSXMMEXCPT */
#define EFER_LONG 0x501	     /* LMA LME SCE */

static void nothing(int sig)
{
	(void)sig;
}

static void catch_kicks(void)
{
	struct sigaction sa = { .sa_handler = nothing }; /* no SA_RESTART */

	sigaction(SIGUSR1, &sa, NULL);
}

/* Gives the leaves that name the CPU this one's number. */
static int set_cpuid(struct vcpu *v)
{
	struct kvm_cpuid2 *c = v->vm->cpuid;
	uint32_t i;

	for (i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function == 1)
			e->ebx = (e->ebx & 0xffffff) | ((uint32_t)v->id << 24);
		else if (e->function == 0xb)
			e->edx = v->id;
		else if (e->function == 0x8000001e)
			e->eax = v->id;
	}
	return xioctl(v->fd, KVM_SET_CPUID2, c);
}

int vcpu_create(struct vm *vm, struct vcpu **vp)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	struct vcpu *v;
	int r;

	*vp = NULL;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->vm = vm;
	while (v->id < VM_MAX_VCPUS && vm->vcpu[v->id])
		v->id++;
	v->fd = v->id < VM_MAX_VCPUS ? xioctl_value(vm->fd, KVM_CREATE_VCPU, v->id)
				     : -ENOSPC;
	if (v->fd < 0) {
		r = v->fd;
		free(v);
		return r;
	}
	vm->vcpu[v->id] = v; /* from here on vm_destroy() cleans up */
	v->area = vm_gpa(vm, BLOCK_GPA + v->id * BLOCK_SIZE);
	v->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return -errno;
	}
	catch_kicks();
	r = set_cpuid(v);
	if (r >= 0 && vm->flags & VM_IRQCHIP)
		r = xioctl(v->fd, KVM_SET_MP_STATE, &mp);
	if (r < 0)
		return r;
	*vp = v;
	return 0;
}

/* The first four letters of the vendor, as the guest's CPUID shows them. */
static uint32_t vendor(const struct kvm_cpuid2 *c)
{
	uint32_t i;

	for (i = 0; i < c->nent; i++)
		if (!c->entries[i].function)
			return c->entries[i].ebx;
	return 0;
}

static void reset_area(struct vcpu *v, uint64_t rounds, uint64_t seed)
{
	memset(v->area, 0, sizeof(*v->area));
	v->area->rounds = rounds;
	v->area->seed = seed;
	v->area->id = v->id;
	v->area->vendor = vendor(v->vm->cpuid);
	v->area->irqchip = !!(v->vm->flags & VM_IRQCHIP);
}

int vcpu_set_long(struct vcpu *v, guest_fn *fn, uint64_t rounds, uint64_t seed)
{
	uint64_t block = BLOCK_GPA + v->id * BLOCK_SIZE, tss = block + BLOCK_TSS;
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 0x08, .type = 11, .present = 1, .s = 1,
		.l = 1, .g = 1,
	}, data = {
		.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .s = 1,
		.db = 1, .g = 1,
	}, task = {
		.base = tss, .limit = 0x67, .selector = 0x18, .type = 11, .present = 1,
	};
	struct kvm_regs regs = {
		.rip = code_gpa(fn),
		.rdi = block,
		.rsp = block + BLOCK_SIZE - 8, /* as after a call */
		.rflags = 2,
	};
	struct kvm_sregs s;
	int r;

	reset_area(v, rounds, seed);
	*(uint64_t *)((char *)vm_gpa(v->vm, tss) + 0x24) = block + BLOCK_IST; /* IST 1 */
	r = vcpu_get_sregs(v, &s);
	if (r < 0)
		return r;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.tr = task;
	s.gdt.base = GDT;
	s.gdt.limit = 0x1f;
	s.idt.base = IDT;
	s.idt.limit = 0xfff;
	s.cr0 = CR0_LONG;
	s.cr3 = PML4;
	s.cr4 = CR4_LONG;
	s.efer = EFER_LONG;
	r = vcpu_set_sregs(v, &s);
	return r < 0 ? r : vcpu_set_regs(v, &regs);
}

int vcpu_set_real(struct vcpu *v, char *entry, uint64_t rounds)
{
	uint64_t block = BLOCK_GPA + v->id * BLOCK_SIZE;
	struct kvm_regs regs = { .rip = entry - __start_guest, .rflags = 2 };
	struct kvm_sregs s;
	int r;

	reset_area(v, rounds, 0);
	r = vcpu_get_sregs(v, &s);
	if (r < 0)
		return r;
	s.cs.base = CODE_GPA;
	s.cs.selector = CODE_GPA >> 4;
	s.ds.base = block;
	s.ds.selector = block >> 4;
	r = vcpu_set_sregs(v, &s);
	return r < 0 ? r : vcpu_set_regs(v, &regs);
}

static bool port_event(struct vcpu *v, struct event *e)
{
	struct kvm_run *run = v->run;
	uint32_t *data = (uint32_t *)((char *)run + run->io.data_offset);
	bool out = run->io.direction == KVM_EXIT_IO_OUT;

	e->value = *data;
	switch (run->io.port) {
	case PORT_SCRATCH:
		if (out)
			v->scratch = *data;
		else
			*data = ~v->scratch;
		return false;
	case PORT_SYNC:
		e->kind = EV_SYNC;
		return true;
	case PORT_DONE:
		e->kind = EV_DONE;
		return true;
	case PORT_FAIL:
		e->kind = EV_FAIL;
		return true;
	}
	e->kind = EV_OTHER;
	e->value = KVM_EXIT_IO;
	return true;
}

static bool mmio_event(struct vcpu *v, struct event *e)
{
	struct kvm_run *run = v->run;
	uint32_t value;

	if (run->mmio.phys_addr < MMIO_GPA || run->mmio.phys_addr >= MMIO_GPA + 0x1000 ||
	    run->mmio.len != sizeof(value)) {
		e->kind = EV_OTHER;
		e->value = KVM_EXIT_MMIO;
		return true;
	}
	if (run->mmio.is_write) {
		memcpy(&v->scratch, run->mmio.data, sizeof(value));
	} else {
		value = ~v->scratch;
		memcpy(run->mmio.data, &value, sizeof(value));
	}
	return false;
}

static bool is_event(struct vcpu *v, struct event *e)
{
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		return port_event(v, e);
	case KVM_EXIT_MMIO:
		return mmio_event(v, e);
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return false;
	case KVM_EXIT_HLT:
		e->kind = EV_HLT;
		return true;
	case KVM_EXIT_SHUTDOWN:
		e->kind = EV_SHUTDOWN;
		return true;
	}
	e->kind = EV_OTHER;
	e->value = v->run->exit_reason;
	return true;
}

void vcpu_run(struct vcpu *v, struct event *e)
{
	int r;

	e->value = 0;
	for (;;) {
		if (v->kicked) {
			e->kind = EV_KICKED;
			return;
		}
		r = v->enter ? v->enter(v) : xioctl(v->fd, KVM_RUN, NULL);
		v->exits++;
		if (r == -EINTR || r == -EAGAIN)
			continue; /* a kick, or the freezer */
		if (r < 0) {
			e->kind = EV_ERROR;
			e->value = -r;
			return;
		}
		if (is_event(v, e))
			return;
	}
}

void vcpu_kick(struct vcpu *v, pthread_t thread)
{
	v->kicked = true;
	v->run->immediate_exit = 1;
	if (!pthread_equal(thread, pthread_self()))
		pthread_kill(thread, SIGUSR1);
}

int vcpu_interrupt(struct vcpu *v, int vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return xioctl(v->fd, KVM_INTERRUPT, &irq);
}

void vcpu_drop_pages(struct vcpu *v)
{
	madvise(vm_gpa(v->vm, TOUCH_GPA + v->id * TOUCH_SIZE), TOUCH_SIZE, MADV_DONTNEED);
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

int vcpu_get_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	struct one_msr m = { .head.nmsrs = 1, .entry.index = msr };
	int r = xioctl(v->fd, KVM_GET_MSRS, &m);

	*value = m.entry.data;
	return r < 0 ? r : r == 1 ? 0 : -EINVAL;
}

int vcpu_set_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
	struct one_msr m = { .head.nmsrs = 1, .entry = { .index = msr, .data = value } };
	int r = xioctl(v->fd, KVM_SET_MSRS, &m);

	return r < 0 ? r : r == 1 ? 0 : -EINVAL;
}

int vcpu_get_regs(struct vcpu *v, struct kvm_regs *regs)
{
	return xioctl(v->fd, KVM_GET_REGS, regs);
}

int vcpu_set_regs(struct vcpu *v, const struct kvm_regs *regs)
{
	return xioctl(v->fd, KVM_SET_REGS, (void *)regs);
}

int vcpu_get_sregs(struct vcpu *v, struct kvm_sregs *sregs)
{
	return xioctl(v->fd, KVM_GET_SREGS, sregs);
}

int vcpu_set_sregs(struct vcpu *v, const struct kvm_sregs *sregs)
{
	return xioctl(v->fd, KVM_SET_SREGS, (void *)sregs);
}

int vcpu_set_cpuid(struct vcpu *v, const struct kvm_cpuid_entry2 *leaf)
{
	struct kvm_cpuid2 *c = v->vm->cpuid;
	uint32_t i;

	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == leaf->function &&
		    c->entries[i].index == leaf->index)
			break;
	if (i == c->nent && c->nent++ == 200) {
		c->nent--;
		return -ENOSPC;
	}
	c->entries[i] = *leaf;
	return set_cpuid(v);
}

int vcpu_tsc_khz(struct vcpu *v)
{
	return xioctl(v->fd, KVM_GET_TSC_KHZ, NULL);
}

int vcpu_set_tsc_khz(struct vcpu *v, int khz)
{
	return xioctl_value(v->fd, KVM_SET_TSC_KHZ, khz);
}

int vcpu_get_tsc_offset(struct vcpu *v, uint64_t *offset)
{
	struct kvm_device_attr a = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (unsigned long)offset,
	};

	return xioctl(v->fd, KVM_GET_DEVICE_ATTR, &a);
}

int vcpu_set_tsc_offset(struct vcpu *v, uint64_t offset)
{
	struct kvm_device_attr a = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (unsigned long)&offset,
	};

	return xioctl(v->fd, KVM_SET_DEVICE_ATTR, &a);
}

const char *event_text(const struct vcpu *v, const struct event *e)
{
	static __thread char text[160];
	uint64_t n = v->area->progress, want = v->area->want, got = v->area->got;

	switch (e->kind) {
	case EV_SYNC:
		snprintf(text, sizeof(text), "sync %llu", (unsigned long long)e->value);
		break;
	case EV_DONE:
		snprintf(text, sizeof(text), "done");
		break;
	case EV_FAIL:
		if (e->value & FAIL_EXCEPTION)
			snprintf(text, sizeof(text),
				 "exception %u in round %llu, stack 0x%llx 0x%llx",
				 (unsigned int)(e->value & ~FAIL_EXCEPTION),
				 (unsigned long long)n, (unsigned long long)want,
				 (unsigned long long)got);
		else
			snprintf(text, sizeof(text),
				 "%s:%u in round %llu: want 0x%llx got 0x%llx",
				 e->value < LINES_OF_SECRETS ? "payloads.c" : "secrets.h",
				 (unsigned int)(e->value % LINES_OF_SECRETS),
				 (unsigned long long)n, (unsigned long long)want,
				 (unsigned long long)got);
		break;
	case EV_HLT:
		snprintf(text, sizeof(text), "halted in round %llu",
			 (unsigned long long)n);
		break;
	case EV_SHUTDOWN:
		snprintf(text, sizeof(text), "triple fault in round %llu",
			 (unsigned long long)n);
		break;
	case EV_KICKED:
		snprintf(text, sizeof(text), "kicked");
		break;
	case EV_OTHER:
		snprintf(text, sizeof(text), "unexpected exit %llu in round %llu",
			 (unsigned long long)e->value, (unsigned long long)n);
		break;
	case EV_ERROR:
		snprintf(text, sizeof(text), "KVM_RUN: %s in round %llu",
			 strerror(e->value), (unsigned long long)n);
		break;
	}
	return text;
}
