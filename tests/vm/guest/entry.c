// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guests enter other than by a call: exceptions, interrupts, SYSCALL, and real mode. All of it is
 * in the section of code.h, and position independent.
 */
#include <stddef.h>

#include "guest.h"

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
    ".globl guest_pads\n"
    "guest_pads:\n"
    ".set pad, 1\n"
    ".rept 64\n"
    "	.balign	8\n"
    "	movl	$pad, %r8d\n"
    "	jmp	*%rcx\n"
    "	.set	pad, pad + 1\n"
    ".endr\n"
    ".balign 16\n"
    ".globl guest_syscall\n"
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
