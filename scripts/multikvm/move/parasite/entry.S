/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entry.S - where threads enter the parasite. The guard sets the registers:
 *
 *	rdi	the thread's slot
 *	rsi	struct parasite
 *	rsp	the thread's own, of which nothing is used
 *
 * All signals are blocked first: a handler that comes before that finds the thread's own stack.
 */
#include "parasite.h"

#define SYS_rt_sigprocmask 14
#define SYS_clone	   56
/* CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM and PARENT_SETTID */
#define THREAD_FLAGS	   0x150f00

	.section .text.entry, "ax"

	.macro block_signals
	cld
	mov	%rdi, %rbx
	mov	%rsi, %rbp
	mov	$SYS_rt_sigprocmask, %eax
	xor	%edi, %edi		/* SIG_BLOCK */
	lea	all_signals(%rip), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	syscall
	.endm

/* The bytes that the guard looks for, then where it lets threads enter. */
	.globl	parasite_start
parasite_start:
	.quad	0x313045564f4d564b	/* PARASITE_MAGIC */
	.long	parasite_park + 2 - parasite_start
	.long	parasite_spawn - parasite_start
all_signals:
	.quad	-1

/*
 * A thread of the VMM waits for the end of the critical phase. It has the rax and the number of the
 * call that was interrupted, and is to enter at the second instruction. The kernel lets such a call
 * start again by going back two bytes; if it has called a handler, so that the call must end, it
 * does not, and rax is -EINTR.
 */
	.globl	parasite_park
parasite_park:
	jmp	1f
	mov	%rax, %r12
	jmp	2f
1:	xor	%r12d, %r12d
2:	block_signals
	lea	SLOT_STACK(%rbx), %rsp
	mov	%rbp, %rdi
	mov	%rbx, %rsi
	mov	%r12, %rdx
	call	park
	jmp	*%rax

/*
 * A thread of the VMM makes the helper, and goes on: most often the guard takes it back at the end
 * of clone(). So the kernel itself notes the helper's number.
 */
	.globl	parasite_spawn
parasite_spawn:
	block_signals
	mov	$SYS_clone, %eax
	mov	$THREAD_FLAGS, %edi
	mov	PARASITE_STACK(%rbp), %rsi
	lea	PARASITE_CLONED(%rbp), %rdx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	syscall
	test	%rax, %rax
	jz	1f
	jmp	*SLOT_LEAVE(%rbx)
1:	mov	%rbp, %rdi
	xor	%ebp, %ebp
	call	helper
	ud2
