// SPDX-License-Identifier: GPL-2.0-only
/*
 * The payloads: code that runs inside the guests.
 *
 * All of it goes into one section that the VMM copies to CODE_GPA, so it has to be position
 * independent and must not leave the section: no library calls, no string constants, no
 * jump tables, no vector constants. The pragmas below keep the compiler to that. Compiled
 * code uses general registers only: what inline assembly puts into XMM registers stays.
 * The red zone is safe because interrupts switch to a stack of their own (IST).
 */
#include <stddef.h>
#include <stdint.h>

#pragma GCC target("general-regs-only")
#pragma GCC optimize("no-jump-tables", "no-tree-vectorize", "no-tree-slp-vectorize", \
		     "no-tree-loop-distribute-patterns", "no-stack-protector")

#include "guest.h"
#include "payloads.h"

#define GUEST  __attribute__((section("guest"), noinline, used))
#define INLINE static inline __attribute__((always_inline))

_Static_assert(offsetof(struct guest_area, irqs) == 0x10, "assembly uses it");
_Static_assert(offsetof(struct guest_area, irqchip) == 0x18, "assembly uses it");
_Static_assert(offsetof(struct guest_area, want) == 0x30, "assembly uses it");
_Static_assert(offsetof(struct guest_area, got) == 0x38, "assembly uses it");

/*
 * Exceptions end the guest: vector to PORT_FAIL, the top of the frame to want and got. Only a
 * SYSCALL (0f 05) that is not there is stepped over; guest_syscall notices.
 */
asm(".pushsection guest, \"ax\", @progbits\n"
    ".balign 16\n"
    ".globl guest_exceptions\n"
    "guest_exceptions:\n"
    ".set vector, 0\n"
    ".rept 32\n"
    "	.balign 16\n"
    "	pushq	$vector\n"
    "	jmp	1f\n"
    "	.set	vector, vector + 1\n"
    ".endr\n"
    "1:	cmpl	$6, (%rsp)\n"
    "	jne	3f\n"
    "	pushq	%rax\n"
    "	movq	16(%rsp), %rax\n"
    "	cmpw	$0x050f, (%rax)\n"
    "	popq	%rax\n"
    "	jne	3f\n"
    "	addq	$8, %rsp\n"
    "	addq	$2, (%rsp)\n"
    "	iretq\n"
    "3:	movq	%rsp, %rbx\n"
    "	andq	$~0x7fff, %rbx\n"
    "	movq	8(%rsp), %rax\n"
    "	movq	%rax, 0x30(%rbx)\n"
    "	movq	16(%rsp), %rax\n"
    "	movq	%rax, 0x38(%rbx)\n"
    "	popq	%rax\n"
    "	orl	$0x80000000, %eax\n"
    "	movw	$0x5a8, %dx\n"
    "2:	outl	%eax, %dx\n"
    "	jmp	2b\n"
    /*
     * The interrupt handler counts, and tells the local APIC if there is one. QEMU 7.2 may
     * deliver a virtual interrupt between STI and HLT, where the real thing never does. A
     * guest that then halts sleeps for ever, so such a HLT (0xf4) is skipped.
     */
    ".balign 16\n"
    ".globl guest_interrupt\n"
    "guest_interrupt:\n"
    "	pushq	%rax\n"
    "	movq	%rsp, %rax\n"
    "	andq	$~0x7fff, %rax\n"
    "	incq	0x10(%rax)\n"
    "	cmpq	$0, 0x18(%rax)\n"
    "	je	1f\n"
    "	movl	$0xfee000b0, %eax\n"
    "	movl	$0, (%rax)\n"
    "1:	movq	8(%rsp), %rax\n"
    "	cmpb	$0xf4, (%rax)\n"
    "	jne	2f\n"
    "	incq	8(%rsp)\n"
    "2:	popq	%rax\n"
    "	iretq\n"
    /*
     * A SYSCALL with the flags in RDI. To RSI: the landing pad that it came to (0: none, there
     * is no SYSCALL), CS, SS and the flags that it found there. A pad is 8 bytes long; RCX is
     * the address after the SYSCALL.
     */
    ".balign 16\n"
    "guest_pads:\n"
    ".set pad, 1\n"
    ".rept 64\n"
    "	.balign	8\n"
    "	movl	$pad, %r8d\n"
    "	jmp	*%rcx\n"
    "	.set	pad, pad + 1\n"
    ".endr\n"
    ".balign 16\n"
    "guest_syscall:\n"
    "	pushfq\n"
    "	xorl	%r8d, %r8d\n"
    "	pushq	%rdi\n"
    "	popfq\n"
    "	syscall\n"
    "	pushfq\n"
    "	popq	24(%rsi)\n"
    "	movq	%r8, (%rsi)\n"
    "	movl	%cs, %eax\n"
    "	movq	%rax, 8(%rsi)\n"
    "	movl	%ss, %eax\n"
    "	movq	%rax, 16(%rsi)\n"
    "	leaq	1f(%rip), %rax\n"
    "	pushq	$0x08\n"
    "	pushq	%rax\n"
    "	lretq\n"
    "1:	movl	$0x10, %eax\n"
    "	movl	%eax, %ss\n"
    "	popfq\n"
    "	ret\n"
    /*
     * Real mode: DS is the shared area. Counts to `rounds`, writing each number to the
     * scratch port and reading back its complement.
     */
    ".balign 16\n"
    ".globl guest_real_io\n"
    "guest_real_io:\n"
    ".code16\n"
    "1:	movl	0x0, %ebx\n"
    "	movl	%ebx, %eax\n"
    "	movw	$0x5ac, %dx\n"
    "	outl	%eax, %dx\n"
    "	inl	%dx, %eax\n"
    "	notl	%eax\n"
    "	cmpl	%ebx, %eax\n"
    "	jne	3f\n"
    "	incl	0x0\n"
    "	movl	0x8, %eax\n"
    "	cmpl	$0, %eax\n"
    "	je	1b\n"
    "	cmpl	%eax, 0x0\n"
    "	jb	1b\n"
    "	movw	$0x5a4, %dx\n"
    "2:	outl	%eax, %dx\n"
    "	jmp	2b\n"
    "3:	movl	%ebx, 0x30\n"
    "	movl	%eax, 0x38\n"
    "	movw	$0x5a8, %dx\n"
    "	jmp	2b\n"
    ".code64\n"
    ".popsection\n");

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

#define EXPECT(a, want, got)                         \
	do {                                         \
		uint64_t w__ = (want), g__ = (got);  \
                                                     \
		if (w__ != g__)                      \
			fail(a, __LINE__, w__, g__); \
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

/* ---- one thing each --------------------------------------------------------------- */

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

#define MSR_EFER	   0xc0000080
#define MSR_STAR	   0xc0000081
#define MSR_LSTAR	   0xc0000082
#define MSR_CSTAR	   0xc0000083
#define MSR_SFMASK	   0xc0000084
#define MSR_FS_BASE	   0xc0000100
#define MSR_GS_BASE	   0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX	   0xc0000103

INLINE uint64_t canonical(uint64_t v)
{
	return v & 0x7fffffffffffULL;
}

/* RPL 0 for SYSCALL, which makes a CS and an SS of bits 47 to 32. */
INLINE uint64_t star(uint64_t key)
{
	return mix(key, 2) & ~(3ULL << 32);
}

/* A landing pad, at one of the addresses where it can be found (guest.h). */
INLINE uint64_t lstar(uint64_t key)
{
	uint64_t pads;

	asm("leaq guest_pads(%%rip), %0" : "=r"(pads));
	return pads + 8 * (mix(key, 3) % 64) + ALIAS_GVA +
	       (mix(key, 3) & (ALIAS_GVA - 1) & ~0xffffffffULL);
}

INLINE void write_msrs(uint64_t key)
{
	wrmsr(MSR_TSC_AUX, (uint32_t)mix(key, 1));
	wrmsr(MSR_STAR, star(key));
	wrmsr(MSR_LSTAR, lstar(key));
	wrmsr(MSR_CSTAR, canonical(mix(key, 4)));
	wrmsr(MSR_SFMASK, (uint32_t)mix(key, 5));
	wrmsr(MSR_KERNEL_GS_BASE, canonical(mix(key, 6)));
	wrmsr(MSR_FS_BASE, canonical(mix(key, 7)));
	wrmsr(MSR_GS_BASE, canonical(mix(key, 8)));
}

INLINE void check_msrs(struct guest_area *a, uint64_t key)
{
	EXPECT(a, (uint32_t)mix(key, 1), rdtscp_aux());
	EXPECT(a, (uint32_t)mix(key, 1), rdmsr(MSR_TSC_AUX));
	EXPECT(a, star(key), rdmsr(MSR_STAR));
	EXPECT(a, lstar(key), rdmsr(MSR_LSTAR));
	EXPECT(a, canonical(mix(key, 4)), rdmsr(MSR_CSTAR));
	EXPECT(a, (uint32_t)mix(key, 5), rdmsr(MSR_SFMASK));
	EXPECT(a, canonical(mix(key, 6)), rdmsr(MSR_KERNEL_GS_BASE));
	EXPECT(a, canonical(mix(key, 7)), rdmsr(MSR_FS_BASE));
	EXPECT(a, canonical(mix(key, 8)), rdmsr(MSR_GS_BASE));
}

/* Whether this key has a SYSCALL. */
INLINE uint64_t sce(uint64_t key)
{
	return mix(key, 9) & 1;
}

INLINE void write_efer(uint64_t key)
{
	wrmsr(MSR_EFER, (rdmsr(MSR_EFER) & ~1ULL) | sce(key));
}

#define SYSCALL_FLAGS 0x243000 /* ID, AC, IOPL: QEMU 7.2 clears the others in any case */

/*
 * KVM may answer RDMSR from memory. SYSCALL shows what the CPU itself has in EFER, STAR, LSTAR
 * and SFMASK.
 */
INLINE void check_syscall(struct guest_area *a, uint64_t key)
{
	uint64_t got[4], cs = 0x08, ss = 0x10, flags = SYSCALL_FLAGS, pad = 0;

	if (sce(key)) {
		pad = mix(key, 3) % 64 + 1;
		cs = (uint16_t)(star(key) >> 32);
		ss = (uint16_t)(cs + 8);
		flags &= ~(uint32_t)mix(key, 5);
	}
	asm volatile("subq $128, %%rsp\n" /* the red zone */
		     "call guest_syscall\n"
		     "addq $128, %%rsp"
		     :
		     : "D"((uint64_t)SYSCALL_FLAGS), "S"(got)
		     : "rax", "rcx", "r8", "r11", "memory", "cc");
	EXPECT(a, pad, got[0]);
	EXPECT(a, cs, got[1]);
	EXPECT(a, ss, got[2]);
	EXPECT(a, flags, got[3] & SYSCALL_FLAGS);
}

/* It goes on, and by less than the difference between the offsets of two guests. */
INLINE void check_tsc(struct guest_area *a, uint64_t *last)
{
	uint64_t now = rdtsc();

	if (now - *last >= TSC_APART / 2)
		fail(a, __LINE__, *last, now);
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

#define XMM_ALL(op)                                                                     \
	op("0", "0x00") op("1", "0x10") op("2", "0x20") op("3", "0x30") op("4", "0x40") \
		op("5", "0x50") op("6", "0x60") op("7", "0x70") op("8", "0x80")         \
			op("9", "0x90") op("10", "0xa0") op("11", "0xb0")               \
				op("12", "0xc0") op("13", "0xd0") op("14", "0xe0")      \
					op("15", "0xf0")
#define XMM_LOAD(n, off)  "movdqu " off "(%0), %%xmm" n "\n"
#define XMM_STORE(n, off) "movdqu %%xmm" n ", " off "(%0)\n"

INLINE void write_fpu(struct guest_area *a, uint64_t key)
{
	uint16_t fcw = 0x037f & ~(((key >> 3) & 3) << 8); /* precision control */
	int i;

	for (i = 0; i < 32; i++)
		a->xmm[i] = mix(key, 100 + i);
	asm volatile(XMM_ALL(XMM_LOAD) : : "r"(a->xmm) : "memory");
	asm volatile("fninit; fldcw %0" : : "m"(fcw));
}

INLINE void check_fpu(struct guest_area *a, uint64_t key)
{
	uint16_t want = 0x037f & ~(((key >> 3) & 3) << 8), fcw;
	int i;

	asm volatile(XMM_ALL(XMM_STORE) : : "r"(a->xmm) : "memory");
	for (i = 0; i < 32; i++)
		EXPECT(a, mix(key, 100 + i), a->xmm[i]);
	asm volatile("fnstcw %0" : "=m"(fcw));
	EXPECT(a, want, fcw);
}

/*
 * Addresses where nobody runs code: four breakpoints that never fire. Not watchpoints, and no
 * DR7 of 0x400 in between: QEMU 7.2 keeps its own list beside the DR7 that VMRUN and #VMEXIT
 * load, and crashes when the types in the two differ.
 */
INLINE uint64_t watched(uint64_t key, int i)
{
	return SECRET_GVA + 0x10000000 + (mix(key, 200 + i) & 0xffffff8);
}

#define DR7_VALUE 0x455UL /* L0 to L3, execution; bit 10 is always one */

INLINE void write_debug(uint64_t key)
{
	asm volatile("mov %0, %%db0" : : "r"(watched(key, 0)));
	asm volatile("mov %0, %%db1" : : "r"(watched(key, 1)));
	asm volatile("mov %0, %%db2" : : "r"(watched(key, 2)));
	asm volatile("mov %0, %%db3" : : "r"(watched(key, 3)));
	asm volatile("mov %0, %%db7" : : "r"(DR7_VALUE));
}

INLINE void check_debug(struct guest_area *a, uint64_t key)
{
	uint64_t v;

	asm volatile("mov %%db0, %0" : "=r"(v));
	EXPECT(a, watched(key, 0), v);
	asm volatile("mov %%db1, %0" : "=r"(v));
	EXPECT(a, watched(key, 1), v);
	asm volatile("mov %%db2, %0" : "=r"(v));
	EXPECT(a, watched(key, 2), v);
	asm volatile("mov %%db3, %0" : "=r"(v));
	EXPECT(a, watched(key, 3), v);
	asm volatile("mov %%db7, %0" : "=r"(v));
	EXPECT(a, DR7_VALUE, v);
}

INLINE void write_page(struct guest_area *a, uint64_t key)
{
	volatile uint64_t *p = (void *)(SECRET_GVA + a->id * GUEST_PAGE);
	int i;

	for (i = 0; i < 512; i += 64)
		p[i] = mix(key, 300 + i);
}

INLINE void check_page(struct guest_area *a, uint64_t key)
{
	volatile uint64_t *p = (void *)(SECRET_GVA + a->id * GUEST_PAGE);
	int i;

	for (i = 0; i < 512; i += 64)
		EXPECT(a, mix(key, 300 + i), p[i]);
}

#define LAPIC_TPR    (LAPIC_GPA + 0x80)
#define LAPIC_SVR    (LAPIC_GPA + 0xf0)
#define LAPIC_TIMER  (LAPIC_GPA + 0x320)
#define LAPIC_COUNT  (LAPIC_GPA + 0x380)
#define LAPIC_DIVIDE (LAPIC_GPA + 0x3e0)

INLINE void lapic_on(void)
{
	mmio_write(LAPIC_SVR, 0x1ff);
	mmio_write(LAPIC_TPR, 0);
	mmio_write(LAPIC_DIVIDE, 0xb);
	mmio_write(LAPIC_TIMER, IRQ_VECTOR);
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

/* ---- the payloads ------------------------------------------------------------------ */

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
	lapic_on();
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
		lapic_on();
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
				fail(a, __LINE__, last, now);
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
		lapic_on();
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
			fail(a, __LINE__, last, now);
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
		lapic_on();
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
