// SPDX-License-Identifier: GPL-2.0-only
/* The guest whose every I/O has a number (numbered_io.h); by the rules of code.h. */
#include "code.h"
#include "lapic.h"
#include "numbered_io.h"
#include "payloads.h"
#include "secrets.h"

#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01

#define KEY_ROUNDS    8 /* registers that cost an exit change that often */
#define TIMER_ROUNDS  2 /* so does one of the timer's two modes wait */
#define TIMER_MS      8 /* at most */
#define SLOW_TIMER_MS 50
#define FULL_ROUNDS   32  /* more coalesced writes than the ring holds */
#define FULL	      180 /* it holds 169 */

typedef volatile struct numbered_guest page;

extern void numbered_irqfd(void *), numbered_level(void *), numbered_line(void *),
	numbered_msi(void *), numbered_tick(void *);

INLINE page *page_of(struct guest_area *a)
{
	return (page *)(NUMBERED_GPA + a->id * GUEST_PAGE);
}

INLINE uint64_t next(page *g, enum numbered_what what)
{
	uint64_t n = g->number[what] + 1;

	g->number[what] = n;
	return n;
}

INLINE void same(struct guest_area *a, enum numbered_what what, uint64_t want,
		 uint64_t got)
{
	if (want != got)
		fail(a, what, want, got);
}

/* ---- time ------------------------------------------------------------------------- */

INLINE uint64_t kvmclock(page *g)
{
	uint32_t version;
	uint64_t delta, ns;

	do {
		version = g->pvclock.version;
		asm volatile("" : : : "memory");
		delta = rdtsc() - g->pvclock.tsc;
		if (g->pvclock.shift >= 0)
			delta <<= g->pvclock.shift;
		else
			delta >>= -g->pvclock.shift;
		ns = g->pvclock.ns +
		     (uint64_t)(((unsigned __int128)delta * g->pvclock.mul) >> 32);
		asm volatile("" : : : "memory");
	} while (version & 1 || version != g->pvclock.version);
	return ns;
}

/*
 * A kvmclock that KVM does not call stable follows the host's clock, and may step back: guests take the
 * latest time that they saw, as Linux does. The host looks whether it stays far behind.
 */
INLINE void look_at_clocks(struct guest_area *a, page *g)
{
	uint64_t tsc = rdtsc(), clock = kvmclock(g);

	if (tsc < g->tsc)
		fail(a, NUMBERED_TSC, g->tsc, tsc);
	if (g->tsc && tsc - g->tsc > g->tsc_gap)
		g->tsc_gap = tsc - g->tsc;
	g->tsc = tsc;
	if (clock < g->clock) {
		if (g->clock - clock > g->clock_back)
			g->clock_back = g->clock - clock;
		if (g->pvclock.flags & PVCLOCK_STABLE)
			fail(a, NUMBERED_CLOCK, g->clock, clock);
		return;
	}
	if (g->clock && clock - g->clock > g->clock_gap)
		g->clock_gap = clock - g->clock;
	g->clock = clock;
}

INLINE void at(struct guest_area *a, page *g, enum numbered_what what)
{
	g->at = what;
	look_at_clocks(a, g);
}

/* ---- interrupts -------------------------------------------------------------------- */

struct frame {
	uint64_t rip, cs, flags, rsp, ss;
};

/* On the interrupt stack, which is in the block of the vCPU. */
INLINE page *page_here(void)
{
	uint64_t sp;

	asm volatile("movq %%rsp, %0" : "=r"(sp));
	return page_of((struct guest_area *)(sp & ~(BLOCK_SIZE - 1)));
}

/* A HLT that the interrupt overtook is skipped (entry.c). */
INLINE void end_of_interrupt(volatile struct frame *f)
{
	mmio_write(LAPIC_EOI, 0);
	if (*(volatile uint8_t *)f->rip == 0xf4)
		f->rip++;
}

#define HANDLER GUEST __attribute__((interrupt))

HANDLER void numbered_irqfd(void *f)
{
	page_here()->irqs[SOURCE_IRQFD]++;
	end_of_interrupt(f);
}

HANDLER void numbered_level(void *f)
{
	page_here()->irqs[SOURCE_LEVEL]++;
	end_of_interrupt(f);
}

HANDLER void numbered_line(void *f)
{
	page *g = page_here();

	g->irqs[SOURCE_LINE]++;
	outl(PORT_NUMBERED_ACK, g->irqs[SOURCE_LINE]);
	end_of_interrupt(f);
}

HANDLER void numbered_msi(void *f)
{
	page_here()->irqs[SOURCE_MSI]++;
	end_of_interrupt(f);
}

HANDLER void numbered_tick(void *f)
{
	page_here()->ticks++;
	end_of_interrupt(f);
}

/* Other interrupts come, and for so long: the tick will not. */
#define LATE_WAKES 16
#define LATE_MS	   1000

/* Each tick that was asked for comes, and no other. */
INLINE void wait_for_tick(struct guest_area *a, page *g)
{
	uint64_t late = rdtsc() + LATE_MS * g->tsc_khz;
	int wakes = 0;

	if (g->say_armed)
		outl(PORT_NUMBERED_ARMED, 0);
	asm volatile("cli" : : : "memory");
	while (g->ticks < g->armed) {
		asm volatile("sti; hlt; cli" : : : "memory");
		if (g->ticks < g->armed && rdtsc() > late && ++wakes > LATE_WAKES)
			fail(a, g->at, g->armed, g->ticks);
	}
	asm volatile("sti" : : : "memory");
	same(a, NUMBERED_TICK, g->armed, g->ticks);
}

INLINE void timer(struct guest_area *a, page *g)
{
	uint64_t n = g->rounds / TIMER_ROUNDS, ms = 1 + n % TIMER_MS;

	same(a, NUMBERED_TICK, g->armed, g->ticks);
	if (g->rounds % TIMER_ROUNDS)
		return;
	g->armed++;
	if (g->say_armed)
		ms = SLOW_TIMER_MS;
	if (n & 1 && g->deadline) {
		at(a, g, NUMBERED_DEADLINE);
		mmio_write(LAPIC_TIMER, VECTOR_TIMER | LAPIC_TIMER_DEADLINE);
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + ms * g->tsc_khz);
		wait_for_tick(a, g);
		same(a, NUMBERED_DEADLINE, 0, rdmsr(MSR_TSC_DEADLINE));
	} else {
		at(a, g, NUMBERED_ONE_SHOT);
		mmio_write(LAPIC_TIMER, VECTOR_TIMER);
		mmio_write(LAPIC_COUNT, ms * 1000000); /* ns */
		wait_for_tick(a, g);
		same(a, NUMBERED_ONE_SHOT, 0, mmio_read(LAPIC_CURRENT));
	}
}

/* ---- ports, MMIO, MSRs ------------------------------------------------------------- */

INLINE void outb(uint16_t port, uint8_t v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

INLINE void outw(uint16_t port, uint16_t v)
{
	asm volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

INLINE uint8_t inb(uint16_t port)
{
	uint8_t v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

INLINE uint16_t inw(uint16_t port)
{
	uint16_t v;

	asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

/* clang-format off */
#define ACCESS(bits, letter)							\
	INLINE void write##bits(uint64_t gpa, uint##bits##_t v)			\
	{									\
		asm volatile("mov" letter " %0, (%1)" : : "r"(v), "r"(gpa) : "memory"); \
	}									\
	INLINE uint##bits##_t read##bits(uint64_t gpa)				\
	{									\
		uint##bits##_t v;						\
										\
		asm volatile("mov" letter " (%1), %0" : "=r"(v) : "r"(gpa) : "memory"); \
		return v;							\
	}
/* clang-format on */
ACCESS(8, "b")
ACCESS(16, "w")
ACCESS(32, "l")
ACCESS(64, "q")

INLINE void ports(struct guest_area *a, page *g)
{
	uint64_t count = 4;
	volatile uint32_t *p = g->string;
	int i;

	at(a, g, NUMBERED_PIO_OUT);
	outb(PORT_NUMBERED_OUT, next(g, NUMBERED_PIO_OUT));
	outw(PORT_NUMBERED_OUT, next(g, NUMBERED_PIO_OUT));
	outl(PORT_NUMBERED_OUT, next(g, NUMBERED_PIO_OUT));
	for (i = 0; i < 4; i++)
		p[i] = next(g, NUMBERED_PIO_OUT);
	asm volatile("rep outsl"
		     : "+S"(p), "+c"(count)
		     : "d"(PORT_NUMBERED_OUT)
		     : "memory");
	at(a, g, NUMBERED_PIO_IN);
	same(a, NUMBERED_PIO_IN, (uint8_t)next(g, NUMBERED_PIO_IN),
	     inb(PORT_NUMBERED_IN));
	same(a, NUMBERED_PIO_IN, (uint16_t)next(g, NUMBERED_PIO_IN),
	     inw(PORT_NUMBERED_IN));
	same(a, NUMBERED_PIO_IN, (uint32_t)next(g, NUMBERED_PIO_IN),
	     inl(PORT_NUMBERED_IN));
	p = g->string;
	count = 4;
	asm volatile("rep insl"
		     : "+D"(p), "+c"(count)
		     : "d"(PORT_NUMBERED_IN)
		     : "memory");
	for (i = 0; i < 4; i++)
		same(a, NUMBERED_PIO_IN, (uint32_t)next(g, NUMBERED_PIO_IN),
		     g->string[i]);
}

/* Two numbers in one access that user space gets as two. */
INLINE uint64_t two(page *g, enum numbered_what what)
{
	uint64_t low = (uint32_t)next(g, what);

	return low | next(g, what) << 32;
}

INLINE void mmio(struct guest_area *a, page *g)
{
	at(a, g, NUMBERED_MMIO_WRITE);
	write8(NUMBERED_MMIO_OUT, next(g, NUMBERED_MMIO_WRITE));
	write16(NUMBERED_MMIO_OUT, next(g, NUMBERED_MMIO_WRITE));
	write32(NUMBERED_MMIO_OUT, next(g, NUMBERED_MMIO_WRITE));
	write64(NUMBERED_MMIO_OUT, next(g, NUMBERED_MMIO_WRITE));
	write64(NUMBERED_BORDER, two(g, NUMBERED_MMIO_WRITE));
	write32(NUMBERED_ROM, next(g, NUMBERED_MMIO_WRITE));
	at(a, g, NUMBERED_MMIO_READ);
	same(a, NUMBERED_MMIO_READ, (uint8_t)next(g, NUMBERED_MMIO_READ),
	     read8(NUMBERED_MMIO_IN));
	same(a, NUMBERED_MMIO_READ, (uint16_t)next(g, NUMBERED_MMIO_READ),
	     read16(NUMBERED_MMIO_IN));
	same(a, NUMBERED_MMIO_READ, (uint32_t)next(g, NUMBERED_MMIO_READ),
	     read32(NUMBERED_MMIO_IN));
	same(a, NUMBERED_MMIO_READ, next(g, NUMBERED_MMIO_READ),
	     read64(NUMBERED_MMIO_IN));
	same(a, NUMBERED_MMIO_READ, two(g, NUMBERED_MMIO_READ), read64(NUMBERED_BORDER));
	at(a, g, NUMBERED_READ_ONLY);
	same(a, NUMBERED_READ_ONLY, NUMBERED_ROM_WORD, read64(NUMBERED_ROM));
}

INLINE void filtered_msrs(struct guest_area *a, page *g)
{
	at(a, g, NUMBERED_MSR_WRITE);
	wrmsr(MSR_NUMBERED_OUT, next(g, NUMBERED_MSR_WRITE));
	at(a, g, NUMBERED_MSR_READ);
	same(a, NUMBERED_MSR_READ, next(g, NUMBERED_MSR_READ), rdmsr(MSR_NUMBERED_IN));
}

/* One to three each, so that no two of them have the same sum. */
INLINE void kicks(struct guest_area *a, page *g)
{
	uint64_t mmio = NUMBERED_KICK_MMIO + a->id * NUMBERED_KICK_SIZE, i, n;
	uint16_t port = PORT_KICK + a->id * PORT_KICK_SIZE;

	at(a, g, NUMBERED_KICK);
	n = mix(a->seed, g->rounds);
	for (i = 0; i <= n % 3; i++) {
		g->kicks[KICK_PIO4]++;
		outl(port + KICK_PIO4_AT, KICK_PIO4_VALUE);
		g->kicks[KICK_QUEUE1]++;
		write16(mmio + KICK_QUEUE_AT, 1);
	}
	for (i = 0; i <= (n >> 8) % 3; i++) {
		g->kicks[KICK_PIO2]++;
		outw(port + KICK_PIO2_AT, i);
		g->kicks[KICK_MMIO4]++;
		write32(mmio + KICK_MMIO4_AT, i);
	}
	for (i = 0; i <= (n >> 16) % 3; i++) {
		g->kicks[KICK_QUEUE0]++;
		write16(mmio + KICK_QUEUE_AT, 0);
		g->kicks[KICK_MMIO8]++;
		write64(mmio + KICK_MMIO8_AT, KICK_MMIO8_VALUE);
	}
	g->kicks[KICK_PIO_ANY] += 2;
	outb(port + KICK_PIO_ANY_AT, n);
	outl(port + KICK_PIO_ANY_AT, n);
	g->kicks[KICK_MMIO_ANY] += 2;
	write8(mmio + KICK_MMIO_ANY_AT, n);
	write64(mmio + KICK_MMIO_ANY_AT, n);
	at(a, g, NUMBERED_MISSED_PIO);
	outl(port + KICK_PIO4_AT, MISSED_PIO | next(g, NUMBERED_MISSED_PIO));
	at(a, g, NUMBERED_MISSED_MMIO);
	write16(mmio + KICK_QUEUE_AT, MISSED_MMIO | next(g, NUMBERED_MISSED_MMIO));
}

INLINE void coalesced(struct guest_area *a, page *g)
{
	uint64_t gpa = NUMBERED_COALESCED + a->id * NUMBERED_COALESCED_SIZE;
	uint16_t port = PORT_COALESCED + a->id * 4;
	int i, full = g->rounds % FULL_ROUNDS == 9 ? FULL : 0;

	at(a, g, NUMBERED_COALESCED_MMIO);
	write8(gpa, next(g, NUMBERED_COALESCED_MMIO));
	write16(gpa + 8, next(g, NUMBERED_COALESCED_MMIO));
	write64(gpa + 16, next(g, NUMBERED_COALESCED_MMIO));
	for (i = 0; i <= full; i++)
		write32(gpa, next(g, NUMBERED_COALESCED_MMIO));
	at(a, g, NUMBERED_COALESCED_PIO);
	outb(port, next(g, NUMBERED_COALESCED_PIO));
	outl(port, next(g, NUMBERED_COALESCED_PIO));
}

/* ---- registers --------------------------------------------------------------------- */

#define FLAGS	    0x243cd5UL /* ID, AC, IOPL, OF, DF, SF, ZF, AF, PF, CF */
#define FLAGS_FIXED 0x202UL    /* and interrupts stay on */

INLINE void flags(struct guest_area *a, page *g)
{
	uint64_t want = (mix(a->seed, g->rounds) & FLAGS) | FLAGS_FIXED, got;

	at(a, g, NUMBERED_FLAGS);
	asm volatile("subq $128, %%rsp\n" /* the red zone */
		     "pushfq\n"
		     "pushq %1\n"
		     "popfq\n"
		     "outl %%eax, %%dx\n"
		     "pushfq\n"
		     "popq %0\n"
		     "popfq\n"
		     "addq $128, %%rsp"
		     : "=&r"(got)
		     : "r"(want), "a"((uint32_t)next(g, NUMBERED_PIO_OUT)),
		       "d"(PORT_NUMBERED_OUT)
		     : "memory", "cc");
	same(a, NUMBERED_FLAGS, want, got);
}

GUEST void guest_numbered(struct guest_area *a)
{
	uint64_t key = 0, fpu;
	uint32_t eax, ebx, ecx, edx;
	page *g = page_of(a);

	lapic_on(VECTOR_TIMER);
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, (NUMBERED_GPA + a->id * GUEST_PAGE) | 1);
	asm volatile("sti");
	for (;;) {
		fpu = mix(a->seed, g->rounds);
		write_fpu(a, fpu);
		if (g->rounds % KEY_ROUNDS == 0) {
			key = fpu;
			write_msrs(key);
			write_debug(key);
			write_page(a, key);
		}
		ports(a, g);
		mmio(a, g);
		filtered_msrs(a, g);
		kicks(a, g);
		coalesced(a, g);
		flags(a, g);
		timer(a, g);
		at(a, g, NUMBERED_CPUID);
		cpuid(1, &eax, &ebx, &ecx, &edx);
		same(a, NUMBERED_CPUID, a->id, ebx >> 24);
		at(a, g, NUMBERED_FPU);
		check_fpu(a, fpu);
		at(a, g, NUMBERED_DEBUG);
		check_debug(a, key);
		at(a, g, NUMBERED_MSRS);
		check_msrs(a, key);
		check_page(a, key);
		at(a, g, NUMBERED_NOTHING);
		g->rounds++;
		sync_host(g->rounds);
	}
}
