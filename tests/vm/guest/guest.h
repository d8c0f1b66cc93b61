/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest payload and the VMM agree on: where things lie in guest memory, which port
 * means what, and the page that a vCPU shares with its host.
 *
 * Guest physical memory:
 *   0x000001000  page tables, GDT, IDT (see vm.c)
 *   0x000010000  a copy of the section "guest" of this program: the code of all payloads
 *   0x000040000  a block of 32 KiB for each vCPU: shared area, interrupt stack, TSS, stack
 *   0x000400000  1 MiB for each vCPU to touch; the host may throw its pages away
 *   0x000f00000  a page for each vCPU to keep secrets in
 *   0x001000000  4 MiB in a slot of their own, for dirty logging
 *   0x0d0000000  nothing: MMIO to user space
 * Virtual addresses below 4 GiB are the physical ones. At SECRET_GVA lie the secret pages,
 * in order of vCPUs; the VMM may map them elsewhere (vm_map_secret()). From ALIAS_GVA on, for
 * as much again, the low 32 bits are the physical address and the others do not matter.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdint.h>

#define CODE_GPA    0x10000UL
#define BLOCK_GPA   0x40000UL
#define BLOCK_SIZE  0x8000UL
#define BLOCK_IST   0x2000UL /* top of the interrupt stack */
#define BLOCK_TSS   0x2000UL
#define TOUCH_GPA   0x400000UL
#define TOUCH_SIZE  0x100000UL
#define DIRTY_GPA   0x1000000UL
#define DIRTY_PAGES 1024
#define MMIO_GPA    0xd0000000UL
#define LAPIC_GPA   0xfee00000UL
#define SECRET_GPA  0xf00000UL
#define SECRET_GVA  0x8000000000UL
#define ALIAS_GVA   (1UL << 46)
#define GUEST_PAGE  4096UL

/* The host gives the complement of the last value written to a scratch port or to MMIO. */
#define PORT_SYNC    0x5a0 /* give the host a value, go on when it allows */
#define PORT_DONE    0x5a4 /* the payload has ended */
#define PORT_FAIL    0x5a8 /* the payload saw something wrong in this line */
#define PORT_SCRATCH 0x5ac

#define TSC_APART (1ULL << 50) /* between the TSC offsets of guests that keep secrets */

#define IRQ_VECTOR     0x40
#define FAIL_EXCEPTION 0x80000000 /* or'ed with the vector; want = error code or rip */
#define LINES_OF_SECRETS \
	10000 /* its lines with this added, those of payloads.c as they are */

#ifndef __ASSEMBLER__
/* At the start of the block of a vCPU. The offsets are also used by assembly code. */
struct guest_area {
	uint64_t progress; /* 0x00: rounds done so far; the host watches it */
	uint64_t rounds;   /* 0x08: how many to do, 0 for ever */
	uint64_t irqs;	   /* 0x10: interrupts taken */
	uint64_t irqchip;  /* 0x18: there is a local APIC, interrupts need an EOI */
	uint64_t seed;	   /* 0x20: makes secrets and patterns of vCPUs differ */
	uint64_t id;	   /* 0x28: number of this vCPU in its VM */
	uint64_t want;	   /* 0x30: with PORT_FAIL: what the payload expected */
	uint64_t got;	   /* 0x38:                 and what it saw */
	uint64_t result;   /* 0x40: a check sum that the host can compute too */
	uint64_t mode;	   /* 0x48: a payload's own choice */
	uint64_t xmm[32];  /* 0x50 */
	uint64_t vendor;   /* EBX of CPUID leaf 0, as the VMM chose it */
};

/* A number that depends on all bits of both arguments (the finaliser of splitmix64). */
static inline __attribute__((always_inline)) uint64_t mix(uint64_t seed, uint64_t n)
{
	uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}
#endif
#endif
