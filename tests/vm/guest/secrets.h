/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest can keep in its vCPU and its memory, made of a key: MSRs, what SYSCALL uses, FPU,
 * breakpoints, a page. Each has a write_ and a check_.
 */
#ifndef SECRETS_H
#define SECRETS_H

#include "code.h"

#undef LINE
#define LINE (LINES_OF_SECRETS + __LINE__)

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

#undef LINE
#define LINE __LINE__

#endif
