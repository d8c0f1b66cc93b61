// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

#define RAM_SIZE  0x1000000UL
#define FIRST_GSI 24

/* Page tables and descriptor tables, below the code. */
#define PML4	    0x1000
#define PDPT	    0x2000
#define PD	    0x3000 /* four of them */
#define SECRET_PDPT 0x7000
#define SECRET_PD   0x8000
#define SECRET_PT   0x9000
#define GDT	    0xa000
#define IDT	    0xb000

#define PTE_RW 0x3
#define PTE_2M 0x80

#define CR0_LONG  0x80050033 /* PG AM WP NE ET MP PE */
#define CR4_LONG  0x620	     /* PAE OSFXSR OSXMMEXCPT */
#define EFER_LONG 0x501	     /* LMA LME SCE */

extern char __start_guest[], __stop_guest[];

static int xioctl(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

static int xioctl_value(int fd, unsigned long request, unsigned long arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

static uint64_t code_gpa(const void *p)
{
	return CODE_GPA + ((const char *)p - __start_guest);
}

void *vm_gpa(struct vm *vm, uint64_t gpa)
{
	if (gpa >= DIRTY_GPA)
		return (char *)vm->dirty + (gpa - DIRTY_GPA);
	return (char *)vm->ram + gpa;
}

void vm_map_secret(struct vm *vm, int id, uint64_t gpa)
{
	((uint64_t *)vm_gpa(vm, SECRET_PT))[id] = gpa | PTE_RW;
}

static void idt_set(struct vm *vm, int vector, uint64_t handler)
{
	uint32_t *d = (uint32_t *)vm_gpa(vm, IDT) + 4 * vector;

	d[0] = (handler & 0xffff) | (0x08 << 16);
	d[1] = (handler & 0xffff0000) | 0x8e01; /* present, interrupt gate, IST 1 */
	d[2] = handler >> 32;
	d[3] = 0;
}

static void build_tables(struct vm *vm)
{
	uint64_t *pml4 = vm_gpa(vm, PML4), *pdpt = vm_gpa(vm, PDPT), *pd = vm_gpa(vm, PD);
	uint64_t *gdt = vm_gpa(vm, GDT);
	int i;

	pml4[0] = PDPT | PTE_RW;
	for (i = ALIAS_GVA >> 39; i < 256; i++)
		pml4[i] = PDPT | PTE_RW;
	for (i = 0; i < 512; i++)
		pdpt[i] = (PD + i % 4 * 0x1000) | PTE_RW;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = ((uint64_t)i << 21) | PTE_2M | PTE_RW;
	pml4[(SECRET_GVA >> 39) & 511] = SECRET_PDPT | PTE_RW;
	*(uint64_t *)vm_gpa(vm, SECRET_PDPT) = SECRET_PD | PTE_RW;
	*(uint64_t *)vm_gpa(vm, SECRET_PD) = SECRET_PT | PTE_RW;
	for (i = 0; i < VM_MAX_VCPUS; i++)
		vm_map_secret(vm, i, SECRET_GPA + i * GUEST_PAGE);
	gdt[1] = 0x00af9b000000ffffULL; /* 64-bit code */
	gdt[2] = 0x00cf93000000ffffULL; /* data */
	for (i = 0; i < 32; i++)
		idt_set(vm, i, code_gpa(guest_exceptions) + 16 * i);
	idt_set(vm, IRQ_VECTOR, code_gpa(guest_interrupt));
	memcpy(vm_gpa(vm, CODE_GPA), __start_guest, __stop_guest - __start_guest);
}

static int add_slot(struct vm *vm, int slot, uint64_t gpa, size_t size, void *p,
		    int flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)p,
	};

	return xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

static void *map_ram(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_NOHUGEPAGE); /* a fault for each page */
	return p;
}

static int get_cpuid(struct vm *vm)
{
	int n = 200;

	vm->cpuid = calloc(1, sizeof(*vm->cpuid) + n * sizeof(vm->cpuid->entries[0]));
	if (!vm->cpuid)
		return -ENOMEM;
	vm->cpuid->nent = n;
	return xioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, vm->cpuid);
}

static int setup(struct vm *vm, const char *dev)
{
	int r;

	vm->dev = open(dev, O_RDWR | O_CLOEXEC);
	if (vm->dev < 0)
		return -errno;
	if (ioctl(vm->dev, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return -EPROTO;
	vm->run_size = xioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, NULL);
	if (vm->run_size < 0)
		return vm->run_size;
	r = get_cpuid(vm);
	if (r < 0)
		return r;
	vm->fd = xioctl(vm->dev, KVM_CREATE_VM, NULL);
	if (vm->fd < 0)
		return vm->fd;
	r = xioctl_value(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000);
	if (r < 0)
		return r;
	if (vm->flags & VM_IRQCHIP) {
		r = xioctl(vm->fd, KVM_CREATE_IRQCHIP, NULL);
		if (r < 0)
			return r;
	}
	vm->ram_size = RAM_SIZE;
	vm->ram = map_ram(RAM_SIZE);
	vm->dirty = map_ram(DIRTY_PAGES * GUEST_PAGE);
	if (!vm->ram || !vm->dirty)
		return -ENOMEM;
	build_tables(vm);
	r = add_slot(vm, 0, 0, RAM_SIZE, vm->ram, 0);
	if (r < 0)
		return r;
	return add_slot(vm, 1, DIRTY_GPA, DIRTY_PAGES * GUEST_PAGE, vm->dirty,
			vm->flags & VM_DIRTY_LOG ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

int vm_create(struct vm **vmp, const char *dev, unsigned int flags)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int r;

	*vmp = NULL;
	if (!vm)
		return -ENOMEM;
	vm->dev = -1;
	vm->fd = -1;
	vm->flags = flags;
	pthread_mutex_init(&vm->log_lock, NULL);
	r = setup(vm, dev);
	if (r < 0) {
		vm_destroy(vm);
		return r;
	}
	*vmp = vm;
	return 0;
}

void vm_destroy(struct vm *vm)
{
	int i;

	if (!vm)
		return;
	for (i = 0; i < VM_MAX_VCPUS; i++) {
		struct vcpu *v = vm->vcpu[i];

		if (!v)
			continue;
		if (v->run)
			munmap(v->run, vm->run_size);
		close(v->fd);
		free(v);
	}
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->dev >= 0)
		close(vm->dev);
	if (vm->ram)
		munmap(vm->ram, vm->ram_size);
	if (vm->dirty)
		munmap(vm->dirty, DIRTY_PAGES * GUEST_PAGE);
	free(vm->cpuid);
	free(vm);
}

/* KVM_GET_DIRTY_LOG clears the log of all vCPUs: what is not ours is kept for them. */
int vm_dirty_log(struct vm *vm, int word, uint64_t *bits)
{
	uint64_t bitmap[DIRTY_PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	int i, r;

	pthread_mutex_lock(&vm->log_lock);
	r = xioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
	for (i = 0; r >= 0 && i < DIRTY_PAGES / 64; i++)
		vm->logged[i] |= bitmap[i];
	*bits = vm->logged[word];
	vm->logged[word] = 0;
	pthread_mutex_unlock(&vm->log_lock);
	return r;
}

int vm_signal_msi(struct vm *vm, int apic_id, int vector)
{
	struct kvm_msi msi = {
		.address_lo = LAPIC_GPA | (apic_id << 12),
		.data = vector,
	};
	int r = xioctl(vm->fd, KVM_SIGNAL_MSI, &msi);

	return r < 0 ? r : r > 0 ? 0 : -EAGAIN;
}

/* One interrupt line a vCPU. Setting the whole table again changes nothing. */
int vm_irqfd(struct vm *vm, int apic_id, int vector)
{
	struct {
		struct kvm_irq_routing table;
		struct kvm_irq_routing_entry entry[VM_MAX_VCPUS];
	} routing = { .table.nr = VM_MAX_VCPUS };
	struct kvm_irqfd irqfd = { .gsi = FIRST_GSI + apic_id };
	int i, r;

	for (i = 0; i < VM_MAX_VCPUS; i++) {
		struct kvm_irq_routing_entry *e = &routing.entry[i];

		e->gsi = FIRST_GSI + i;
		e->type = KVM_IRQ_ROUTING_MSI;
		e->u.msi.address_lo = LAPIC_GPA | (i << 12);
		e->u.msi.data = vector;
	}
	r = xioctl(vm->fd, KVM_SET_GSI_ROUTING, &routing);
	if (r < 0)
		return r;
	r = eventfd(0, EFD_CLOEXEC);
	if (r < 0)
		return -errno;
	irqfd.fd = r;
	r = xioctl(vm->fd, KVM_IRQFD, &irqfd);
	if (r < 0) {
		close(irqfd.fd);
		return r;
	}
	return irqfd.fd;
}

/* ---- vCPUs ------------------------------------------------------------------------- */

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
				 "payloads.c:%u in round %llu: want 0x%llx got 0x%llx",
				 (unsigned int)e->value, (unsigned long long)n,
				 (unsigned long long)want, (unsigned long long)got);
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
