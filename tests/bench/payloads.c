// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that cause one kind of exit again and again, and note by their TSC what it cost.
 * The rules of ../vm/guest/code.h hold.
 */
#include "../vm/guest/code.h"
#include "payloads.h"

#define APIC_SVR      0xf0
#define APIC_ICR      0x300
#define APIC_ICR2     0x310
#define PIC_MASK      0x21
#define MSR_APIC_BASE 0x1b
#define MSR_PAT	      0x277
#define MSR_TSC_AUX   0xc0000103
#define NO_HYPERCALL  0x7fff
#define VENDOR_INTEL  0x756e6547 /* "Genu" */

INLINE void apic_write(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(LAPIC_GPA + reg) = value;
}

/* The host wrote to the pages of the samples before this: the guest maps them now, not later. */
INLINE volatile uint32_t *samples(struct guest_area *a)
{
	volatile uint32_t *s = (void *)(TOUCH_GPA + a->id * TOUCH_SIZE);
	uint64_t i;

	for (i = 0; i < a->rounds; i++)
		s[i] = 0;
	return s;
}

#define SAMPLE_EACH(a, what)                              \
	do {                                              \
		volatile uint32_t *s__ = samples(a);      \
		uint64_t n__, t__;                        \
                                                          \
		for (n__ = 0; n__ < (a)->rounds; n__++) { \
			t__ = rdtsc();                    \
			what;                             \
			s__[n__] = rdtsc() - t__;         \
		}                                         \
		done();                                   \
	} while (0)

GUEST void bench_nothing(struct guest_area *a)
{
	SAMPLE_EACH(a, (void)0);
}

GUEST void bench_cpuid(struct guest_area *a)
{
	uint32_t eax, ecx;

	SAMPLE_EACH(a, asm volatile("cpuid"
				    : "=a"(eax), "=c"(ecx)
				    : "0"(1), "1"(0)
				    : "ebx", "edx", "memory"));
}

GUEST void bench_rdmsr(struct guest_area *a)
{
	uint32_t lo, hi;

	SAMPLE_EACH(a, asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(MSR_APIC_BASE)));
}

GUEST void bench_wrmsr(struct guest_area *a)
{
	SAMPLE_EACH(a, asm volatile("wrmsr"
				    :
				    : "c"(MSR_PAT), "a"(0x00070406), "d"(0x00070406)));
}

/* A user-return MSR: the host's value comes back on the way to user space. */
GUEST void bench_tsc_aux(struct guest_area *a)
{
	SAMPLE_EACH(a, asm volatile("wrmsr"
				    :
				    : "c"(MSR_TSC_AUX), "a"((uint32_t)n__), "d"(0)));
}

GUEST void bench_hypercall(struct guest_area *a)
{
	uint64_t rax;

	if (a->vendor == VENDOR_INTEL)
		SAMPLE_EACH(a, asm volatile("vmcall"
					    : "=a"(rax)
					    : "0"(NO_HYPERCALL)
					    : "memory"));
	else
		SAMPLE_EACH(a, asm volatile("vmmcall"
					    : "=a"(rax)
					    : "0"(NO_HYPERCALL)
					    : "memory"));
}

GUEST void bench_port(struct guest_area *a)
{
	uint32_t v;

	SAMPLE_EACH(a, asm volatile("inl %1, %0"
				    : "=a"(v)
				    : "Nd"((uint16_t)PORT_SCRATCH)));
}

GUEST void bench_hlt(struct guest_area *a)
{
	SAMPLE_EACH(a, asm volatile("hlt"));
}

GUEST void bench_mmio(struct guest_area *a)
{
	SAMPLE_EACH(a, (void)*(volatile uint32_t *)MMIO_GPA);
}

GUEST void bench_pic(struct guest_area *a)
{
	uint8_t v;

	SAMPLE_EACH(a, asm volatile("inb %1, %0" : "=a"(v) : "Nd"((uint16_t)PIC_MASK)));
}

/* One write to each page at DIRTY_GPA: never touched before, or write-protected. */
GUEST void bench_fault(struct guest_area *a)
{
	SAMPLE_EACH(a, *(volatile uint64_t *)(DIRTY_GPA + n__ * GUEST_PAGE) = n__);
}

/* To itself: two exits (ICR and EOI) and an injection. */
GUEST void bench_interrupt(struct guest_area *a)
{
	apic_write(APIC_SVR, 0x1ff);
	asm volatile("sti");
	SAMPLE_EACH(a, apic_write(APIC_ICR, 0x40000 | IRQ_VECTOR));
}

/* Interrupts come only while this halts. */
INLINE void halt_until(volatile struct guest_area *a, uint64_t irqs)
{
	while (a->irqs < irqs)
		asm volatile("sti; hlt; cli" : : : "memory");
}

INLINE void kick_other(struct guest_area *a)
{
	apic_write(APIC_ICR2, (uint32_t)(!a->id) << 24);
	apic_write(APIC_ICR, 0x4000 | IRQ_VECTOR);
}

/* vCPU 0 of two that wake each other and halt: two switches a sample. */
GUEST void bench_ping(struct guest_area *a)
{
	apic_write(APIC_SVR, 0x1ff);
	SAMPLE_EACH(a, kick_other(a); halt_until(a, n__ + 1));
}

/* vCPU 1; it leaves after the last answer. */
GUEST void bench_pong(struct guest_area *a)
{
	uint64_t n;

	apic_write(APIC_SVR, 0x1ff);
	for (n = 0; n < a->rounds; n++) {
		halt_until(a, n + 1);
		kick_other(a);
	}
	done();
}

/* Counts the interrupts that wake it; the host notes the time. */
GUEST void bench_sleeper(struct guest_area *a)
{
	uint64_t n;

	apic_write(APIC_SVR, 0x1ff);
	for (n = 0; n < a->rounds; n++) {
		halt_until(a, n + 1);
		*(volatile uint64_t *)&a->progress = n + 1;
	}
	done();
}
