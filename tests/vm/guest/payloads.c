// SPDX-License-Identifier: GPL-2.0-only
/* The payloads: what runs inside the guests, by the rules of code.h. */
#include "code.h"
#include "lapic.h"
#include "payloads.h"
#include "secrets.h"

INLINE void once_cpuid(struct guest_area *a)
{
	uint32_t eax, ebx, ecx, edx, max;

	cpuid(0, &max, &ebx, &ecx, &edx);
	EXPECT(a, a->vendor, ebx);
	cpuid(1, &eax, &ebx, &ecx, &edx);
	EXPECT(a, a->id, ebx >> 24); /* the APIC id that the VMM chose */
	cpuid(0x80000000, &eax, &ebx, &ecx, &edx);
	EXPECT(a, 1, eax >= 0x80000008);
}

INLINE void once_io(struct guest_area *a, uint64_t n)
{
	uint32_t v = mix(a->seed, n);

	outl(PORT_SCRATCH, v);
	EXPECT(a, (uint32_t)~v, inl(PORT_SCRATCH));
}

INLINE void once_mmio(struct guest_area *a, uint64_t n)
{
	uint32_t v = mix(a->seed, n);

	mmio_write(MMIO_GPA + (n % 64) * 4, v);
	EXPECT(a, (uint32_t)~v, mmio_read(MMIO_GPA + (n % 64) * 4));
}

/* It goes on, and by less than the difference between the offsets of two guests. */
INLINE void check_tsc(struct guest_area *a, uint64_t *last)
{
	uint64_t now = rdtsc();

	if (now - *last >= TSC_APART / 2)
		fail(a, LINE, *last, now);
	*last = now;
}

/* After the host threw the pages away they read as zero; then they keep what we write. */
INLINE void once_touch(struct guest_area *a, uint64_t n, uint64_t pages)
{
	volatile uint64_t *p;
	uint64_t i;

	for (i = 0; i < pages; i++) {
		p = (void *)(TOUCH_GPA + a->id * TOUCH_SIZE + i * GUEST_PAGE);
		EXPECT(a, 0, *p);
		*p = mix(a->seed + n, i);
	}
	for (i = 0; i < pages; i++) {
		p = (void *)(TOUCH_GPA + a->id * TOUCH_SIZE + i * GUEST_PAGE);
		EXPECT(a, mix(a->seed + n, i), *p);
	}
}

/* Halts until the interrupt counter is at n. Interrupts are off before and after. */
INLINE void wait_irq(struct guest_area *a, uint64_t n)
{
	while (((volatile struct guest_area *)a)->irqs < n)
		asm volatile("sti; hlt; cli" : : : "memory");
}

INLINE void once_timer(struct guest_area *a, uint32_t count)
{
	uint64_t n = a->irqs + 1;

	mmio_write(LAPIC_COUNT, count);
	wait_irq(a, n);
}

INLINE uint64_t once_compute(uint64_t sum, uint64_t n)
{
	int i;

	for (i = 0; i < 2000; i++)
		sum = mix(sum, n + i);
	return sum;
}

GUEST void guest_cpuid(struct guest_area *a)
{
	do
		once_cpuid(a);
	while (next_round(a));
	done();
}

GUEST void guest_io(struct guest_area *a)
{
	do
		once_io(a, a->progress);
	while (next_round(a));
	done();
}

GUEST void guest_mmio(struct guest_area *a)
{
	do
		once_mmio(a, a->progress);
	while (next_round(a));
	done();
}

GUEST void guest_msr(struct guest_area *a)
{
	do {
		write_msrs(a->seed + a->progress);
		check_msrs(a, a->seed + a->progress);
	} while (next_round(a));
	done();
}

GUEST void guest_touch(struct guest_area *a)
{
	do {
		sync_host(a->progress);
		once_touch(a, a->progress, TOUCH_SIZE / GUEST_PAGE);
	} while (next_round(a));
	done();
}

GUEST void guest_timer(struct guest_area *a)
{
	lapic_on(IRQ_VECTOR);
	do
		once_timer(a, 50000);
	while (next_round(a));
	EXPECT(a, a->rounds, a->irqs);
	done();
}

/* The host sends one interrupt a round, in the way that a->mode asks of it. */
GUEST void guest_irq(struct guest_area *a)
{
	if (a->irqchip)
		lapic_on(IRQ_VECTOR);
	do {
		sync_host(a->progress);
		wait_irq(a, a->progress + 1);
	} while (next_round(a));
	EXPECT(a, a->rounds, a->irqs);
	done();
}

/* Writes to about half of the pages of the dirty slot; the host computes which. */
GUEST void guest_dirty(struct guest_area *a)
{
	uint64_t i;

	do {
		for (i = a->id * 64; i < a->id * 64 + 64; i++)
			if (mix(a->seed + a->progress, i) & 1)
				*(volatile uint64_t *)(DIRTY_GPA +
						       i * GUEST_PAGE) = a->progress;
		sync_host(a->progress);
	} while (next_round(a));
	done();
}

GUEST void guest_fpu(struct guest_area *a)
{
	do {
		write_fpu(a, a->seed + a->progress);
		sync_host(a->progress);
		check_fpu(a, a->seed + a->progress);
	} while (next_round(a));
	done();
}

GUEST void guest_debug(struct guest_area *a)
{
	do {
		write_debug(a->seed + a->progress);
		sync_host(a->progress);
		check_debug(a, a->seed + a->progress);
	} while (next_round(a));
	done();
}

GUEST void guest_tsc(struct guest_area *a)
{
	uint64_t last = rdtsc(), now;
	int i;

	do {
		for (i = 0; i < 64; i++) {
			now = rdtsc();
			if (now < last)
				fail(a, LINE, last, now);
			last = now;
		}
		sync_host(a->progress);
	} while (next_round(a));
	done();
}

/*
 * With interrupts on, though none will come: in a guest that never exits, Bochs 3.0 does not see
 * those of the host when IF is off before the entry and after it, and the CPU is lost.
 */
GUEST void guest_compute(struct guest_area *a)
{
	uint64_t sum = a->seed;

	asm volatile("sti");
	do
		sum = once_compute(sum, a->progress);
	while (next_round(a));
	a->result = sum;
	done();
}

/*
 * Everything in turn, for use as load while something happens to the host. One round keeps
 * its secrets for its whole length. With a local APIC it also halts and is woken.
 */
GUEST void guest_mix(struct guest_area *a)
{
	uint64_t sum = a->seed, last = rdtsc(), now, key;

	if (a->irqchip)
		lapic_on(IRQ_VECTOR);
	do {
		key = a->seed + a->progress;
		write_msrs(key);
		write_fpu(a, key);
		write_debug(key);
		write_page(a, key);
		once_cpuid(a);
		once_io(a, a->progress);
		once_mmio(a, a->progress);
		sync_host(a->progress);
		once_touch(a, a->progress, 16);
		sum = once_compute(sum, a->progress);
		if (a->irqchip)
			once_timer(a, 20000);
		check_msrs(a, key);
		check_fpu(a, key);
		check_debug(a, key);
		check_page(a, key);
		now = rdtsc();
		if (now < last)
			fail(a, LINE, last, now);
		last = now;
		a->result = sum;
	} while (next_round(a));
	done();
}

/*
 * Keeps secrets in every place, gives the CPU away, looks whether they are still there.
 * They change every eighth time, so that a value written once and skipped later shows.
 * a->mode: 0 gives the CPU away through user space, else it halts inside the kernel for as many
 * ticks of its local APIC.
 */
GUEST void guest_secrets(struct guest_area *a)
{
	uint64_t key = a->seed, last = rdtsc();

	if (a->mode)
		lapic_on(IRQ_VECTOR);
	do {
		if (a->progress % 8 == 0) {
			key = mix(a->seed, a->progress);
			write_msrs(key);
			write_efer(key);
			write_fpu(a, key);
			write_debug(key);
			write_page(a, key);
			check_msrs(a, key);
			check_syscall(a, key);
		}
		if (a->mode)
			once_timer(a, a->mode);
		else
			sync_host(a->progress);
		check_msrs(a, key);
		check_syscall(a, key);
		check_tsc(a, &last);
		check_fpu(a, key);
		check_debug(a, key);
		check_page(a, key);
	} while (next_round(a));
	done();
}

uint64_t payload_compute(uint64_t seed, uint64_t rounds)
{
	uint64_t sum = seed, n;

	for (n = 0; n < rounds; n++)
		sum = once_compute(sum, n);
	return sum;
}
