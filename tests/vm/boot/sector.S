/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The boot sector of the Intel machine's disk, and the way into protected mode. The BIOS loads
 * 512 bytes to 0x7c00; the sectors after it hold load.c, which this reads to LOADER. Before it
 * leaves real mode it asks the BIOS for the map of memory, which is not possible afterwards.
 *
 * Memory below 640 KiB:
 *	0x05000  map of memory, 24 bytes an entry; ends with an entry of length 0
 *	0x07c00  this sector, stack below it
 *	0x08000  load.c, header, stack of load.c below LOADER_STACK
 */
#include "layout.h"

	.code16
	.section .sector, "ax"
	.globl start
start:
	cli
	cld
	ljmp	$0, $1f
1:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	sti

	/* The rest of what is to run, and the header: int 13h, extended read. */
	movw	$packet, %si
	movb	$0x42, %ah
	int	$0x13
	movb	$'D', %al
	jc	failed

	/* The map of memory: int 15h, 0xe820. */
	xorl	%ebx, %ebx
	movw	$MEMORY_MAP, %di
2:	movl	$0xe820, %eax
	movl	$0x534d4150, %edx
	movl	$20, %ecx
	int	$0x15
	jc	3f
	addw	$24, %di
	testl	%ebx, %ebx
	jnz	2b
3:	xorl	%eax, %eax
	movl	%eax, 8(%di)	/* length 0: the end */
	movl	%eax, 12(%di)

	/* A20, which this BIOS has on already, then protected mode with flat segments. */
	cli
	inb	$0x92, %al
	orb	$2, %al
	andb	$0xfe, %al
	outb	%al, $0x92
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$8, $protected

failed:	/* One letter on the console, then nothing: tests/vm/machine sees that init never came. */
	movw	$0x3f8, %dx
	outb	%al, %dx
4:	hlt
	jmp	4b

	.balign 4
packet:	.byte	16, 0
	.word	LOADER_SECTORS
	.word	0, LOADER >> 4
	.quad	1

	.balign 8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 8: code, all of 4 GiB */
	.quad	0x00cf93000000ffff	/* 16: data */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.code32
protected:
	movw	$16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movl	$LOADER_STACK, %esp
	call	load
	movl	%eax, %ebx	/* hvm_start_info */
	xorl	%esi, %esi
	jmp	*%edx

	.org	510
	.word	0xaa55

	.section .note.GNU-stack, "", @progbits
