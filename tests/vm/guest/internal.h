/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vm.c and vcpu.c share. Where a vCPU begins: page tables and descriptor tables lie below the
 * code (guest.h).
 */
#ifndef INTERNAL_H
#define INTERNAL_H

#include <errno.h>
#include <sys/ioctl.h>

#include "vmm.h"

#define PML4 0x1000
#define GDT  0xa000
#define IDT  0xb000

extern char __start_guest[], __stop_guest[];

static inline int xioctl(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

static inline int xioctl_value(int fd, unsigned long request, unsigned long arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

static inline uint64_t code_gpa(const void *p)
{
	return CODE_GPA + ((const char *)p - __start_guest);
}

/* Interrupt gate `vector` leads to the guest's address `handler`. */
void vm_set_gate(struct vm *vm, int vector, uint64_t handler);
int vm_add_slot(struct vm *vm, int slot, uint64_t gpa, size_t size, void *p, int flags);

#endif
