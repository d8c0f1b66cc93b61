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

#include "internal.h"

#define RAM_SIZE  0x1000000UL
#define FIRST_GSI 24

/* More page tables, beside those of internal.h. */
#define PDPT	    0x2000
#define PD	    0x3000 /* four of them */
#define SECRET_PDPT 0x7000
#define SECRET_PD   0x8000
#define SECRET_PT   0x9000

#define PTE_RW 0x3
#define PTE_2M 0x80

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

void vm_set_gate(struct vm *vm, int vector, uint64_t handler)
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
		vm_set_gate(vm, i, code_gpa(guest_exceptions) + 16 * i);
	vm_set_gate(vm, IRQ_VECTOR, code_gpa(guest_interrupt));
	memcpy(vm_gpa(vm, CODE_GPA), __start_guest, __stop_guest - __start_guest);
}

int vm_add_slot(struct vm *vm, int slot, uint64_t gpa, size_t size, void *p, int flags)
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

static int make_irqchip(struct vm *vm)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };

	if (!(vm->flags & VM_IRQCHIP))
		return 0;
	if (vm->flags & VM_SPLIT_IRQCHIP)
		return xioctl(vm->fd, KVM_ENABLE_CAP, &split);
	return xioctl(vm->fd, KVM_CREATE_IRQCHIP, NULL);
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
	r = make_irqchip(vm);
	if (r < 0)
		return r;
	vm->ram_size = RAM_SIZE;
	vm->ram = map_ram(RAM_SIZE);
	vm->dirty = map_ram(DIRTY_PAGES * GUEST_PAGE);
	if (!vm->ram || !vm->dirty)
		return -ENOMEM;
	build_tables(vm);
	r = vm_add_slot(vm, 0, 0, RAM_SIZE, vm->ram, 0);
	if (r < 0)
		return r;
	return vm_add_slot(vm, 1, DIRTY_GPA, DIRTY_PAGES * GUEST_PAGE, vm->dirty,
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
