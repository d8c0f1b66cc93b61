/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What code that runs inside the guests is made of.
 *
 * All of it goes into one section that the VMM copies to CODE_GPA, so it has to be position
 * independent and must not leave the section: no library calls, no string constants, no
 * jump tables, no vector constants. The pragmas below keep the compiler to that. Compiled
 * code uses general registers only: what inline assembly puts into XMM registers stays.
 * The red zone is safe because interrupts switch to a stack of their own (IST).
 */
#ifndef CODE_H
#define CODE_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC target("general-regs-only")
#pragma GCC optimize("no-jump-tables", "no-tree-vectorize", "no-tree-slp-vectorize", \
		     "no-tree-loop-distribute-patterns", "no-stack-protector")

#include "guest.h"

#define GUEST  __attribute__((section("guest"), noinline, used))
#define INLINE static inline __attribute__((always_inline))

INLINE void outl(uint16_t port, uint32_t v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

INLINE uint32_t inl(uint16_t port)
{
	uint32_t v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

INLINE void wrmsr(uint32_t msr, uint64_t v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

INLINE uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return ((uint64_t)hi << 32) | lo;
}

INLINE uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return ((uint64_t)hi << 32) | lo;
}

INLINE uint32_t rdtscp_aux(void)
{
	uint32_t lo, hi, aux;

	asm volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
	return aux;
}

INLINE void cpuid(uint32_t fn, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	asm volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(fn), "c"(0));
}

INLINE uint32_t mmio_read(uint64_t gpa)
{
	uint32_t v;

	asm volatile("movl (%1), %0" : "=a"(v) : "r"(gpa) : "memory");
	return v;
}

INLINE void mmio_write(uint64_t gpa, uint32_t v)
{
	asm volatile("movl %0, (%1)" : : "a"(v), "r"(gpa) : "memory");
}

INLINE void sync_host(uint32_t v)
{
	outl(PORT_SYNC, v);
}

INLINE void fail(struct guest_area *a, uint32_t line, uint64_t want, uint64_t got)
{
	a->want = want;
	a->got = got;
	for (;;)
		outl(PORT_FAIL, line);
}

/* In a header, which says so: LINES_OF_SECRETS + __LINE__. */
#define LINE __LINE__

#define EXPECT(a, want, got)                        \
	do {                                        \
		uint64_t w__ = (want), g__ = (got); \
                                                    \
		if (w__ != g__)                     \
			fail(a, LINE, w__, g__);    \
	} while (0)

INLINE void done(void)
{
	for (;;)
		outl(PORT_DONE, 0);
}

/* True until the rounds asked for are done; counts them. */
INLINE int next_round(volatile struct guest_area *a)
{
	uint64_t n = a->progress + 1;

	a->progress = n;
	return !a->rounds || n < a->rounds;
}

#endif
