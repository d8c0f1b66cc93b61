/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the payload of numbered_guest.c and its VMM agree on: each way of I/O with a number of its own,
 * from 1 on for each vCPU. Narrow accesses carry the number's low bits.
 *
 * Guest physical memory besides that of guest.h:
 *   0x002000000  a page for each vCPU, struct numbered_guest: the watching process has it mapped, too
 *   0x003000000  a page that can be read only: a write to it is MMIO
 *   0x0d0000000  numbered MMIO; an access of 8 bytes at NUMBERED_BORDER is two numbers of 4 bytes
 *   0x0d0002000  ioeventfds, 256 bytes for each vCPU
 *   0x0d0003000  coalesced MMIO, 64 bytes for each vCPU
 */
#ifndef NUMBERED_IO_H
#define NUMBERED_IO_H

#include "guest.h"

#define NUMBERED_VCPUS 4

#define NUMBERED_GPA		0x2000000UL
#define NUMBERED_ROM		0x3000000UL
#define NUMBERED_ROM_WORD	0x646165725f6d6f72UL
#define NUMBERED_MMIO_OUT	(MMIO_GPA + 0x00)
#define NUMBERED_MMIO_IN	(MMIO_GPA + 0x40)
#define NUMBERED_BORDER		(MMIO_GPA + 0xffc)
#define NUMBERED_KICK_MMIO	(MMIO_GPA + 0x2000)
#define NUMBERED_COALESCED	(MMIO_GPA + 0x3000)
#define NUMBERED_KICK_SIZE	0x100
#define NUMBERED_COALESCED_SIZE 0x40

#define PORT_NUMBERED_OUT   0x600
#define PORT_NUMBERED_IN    0x610
#define PORT_NUMBERED_ACK   0x620 /* of SOURCE_LINE; then the line goes down */
#define PORT_NUMBERED_ARMED 0x628 /* the timer is on, if the host wants to know */
#define PORT_COALESCED	    0x640 /* and 4 for each vCPU */
#define PORT_KICK	    0x700 /* and 16 for each vCPU */
#define PORT_KICK_SIZE	    0x10

/* MSRs that no CPU has, which a filter sends to user space. */
#define MSR_NUMBERED	 0x4b564e00
#define MSR_NUMBERED_OUT MSR_NUMBERED
#define MSR_NUMBERED_IN	 (MSR_NUMBERED + 1)

/* What the host sends, one interrupt after the other, each with a vector of its own. */
enum {
	SOURCE_IRQFD, /* an MSI */
	SOURCE_LEVEL, /* an irqfd with resampling at a pin of the IOAPIC */
	SOURCE_LINE,  /* KVM_IRQ_LINE; the device lowers it when the guest tells it to */
	SOURCE_MSI,   /* KVM_SIGNAL_MSI */
	SOURCES
};

#define VECTOR_IRQFD 0x51
#define VECTOR_LEVEL 0x60 /* here and below one for each vCPU */
#define VECTOR_LINE  0x70
#define VECTOR_MSI   0x81
#define VECTOR_TIMER 0x91

/* The ioeventfds of a vCPU: how the guest kicks them. */
enum {
	KICK_PIO4,    /* PIO, 4 bytes, of one value */
	KICK_PIO2,    /* PIO, 2 bytes, of any value */
	KICK_PIO_ANY, /* PIO of any length */
	KICK_MMIO_ANY,
	KICK_QUEUE0, /* MMIO, 2 bytes: two values at one address */
	KICK_QUEUE1,
	KICK_MMIO4, /* any value */
	KICK_MMIO8, /* one value */
	KICKS
};

#define KICK_PIO4_AT	 0x0 /* after PORT_KICK */
#define KICK_PIO2_AT	 0x4
#define KICK_PIO_ANY_AT	 0x8
#define KICK_MMIO_ANY_AT 0x00 /* after NUMBERED_KICK_MMIO */
#define KICK_QUEUE_AT	 0x10
#define KICK_MMIO4_AT	 0x20
#define KICK_MMIO8_AT	 0x28
#define KICK_PIO4_VALUE	 0x11223344U
#define KICK_MMIO8_VALUE 0x1122334455667788ULL
/* What no ioeventfd of that address wants is a number for user space, with these bits. */
#define MISSED_PIO  0x80000000U
#define MISSED_MMIO 0x8000U

/* What a number is of, or what else is checked; and what the guest is at. */
enum numbered_what {
	NUMBERED_NOTHING,
	NUMBERED_PIO_OUT,
	NUMBERED_PIO_IN,
	NUMBERED_MMIO_WRITE,
	NUMBERED_MMIO_READ,
	NUMBERED_MSR_WRITE,
	NUMBERED_MSR_READ,
	NUMBERED_KICK,
	NUMBERED_MISSED_PIO,
	NUMBERED_MISSED_MMIO,
	NUMBERED_COALESCED_MMIO,
	NUMBERED_COALESCED_PIO,
	NUMBERED_ACK,
	NUMBERED_ONE_SHOT,
	NUMBERED_DEADLINE,
	NUMBERED_TICK,
	NUMBERED_TSC,
	NUMBERED_CLOCK,
	NUMBERED_FPU,
	NUMBERED_FLAGS,
	NUMBERED_DEBUG,
	NUMBERED_MSRS,
	NUMBERED_CPUID,
	NUMBERED_READ_ONLY,
	NUMBERED_WHATS
};

#ifndef __ASSEMBLER__
/* As KVM writes it. */
struct pvclock {
	uint32_t version, pad;
	uint64_t tsc;
	uint64_t ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, more[2];
};

#define PVCLOCK_STABLE 1 /* in flags: the clocks of all vCPUs are one */

/* At the start of the page of a vCPU; its guest writes it. */
struct numbered_guest {
	struct pvclock pvclock;
	uint64_t rounds; /* done */
	uint64_t at;	 /* enum numbered_what */
	uint64_t number[NUMBERED_WHATS];
	uint64_t kicks[KICKS];
	uint64_t irqs[SOURCES];
	uint64_t armed, ticks;
	uint64_t say_armed; /* the host wants to know when the timer is on */
	uint64_t tsc_khz;   /* the host says; for gaps, and for the time of a deadline */
	uint64_t deadline;  /* the host says: there is that mode of the timer */
	uint64_t tsc, tsc_gap;
	uint64_t clock, clock_gap, clock_back; /* ns */
	uint32_t string[4];
};
#endif
#endif
