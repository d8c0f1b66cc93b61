/* SPDX-License-Identifier: GPL-2.0-only */
/* The payloads of payloads.c. They run in guests: only their addresses are of use here. */
#ifndef PAYLOADS_H
#define PAYLOADS_H

#include "guest.h"

typedef void guest_fn(struct guest_area *a);

extern char guest_exceptions[]; /* 32 entry points, 16 bytes each */
extern char guest_interrupt[];
extern char guest_real_io[]; /* 16-bit code */

guest_fn guest_cpuid, guest_io, guest_mmio, guest_msr, guest_touch, guest_timer,
	guest_irq, guest_dirty, guest_fpu, guest_debug, guest_tsc, guest_compute,
	guest_mix, guest_secrets, guest_numbered;

/* What guest_compute leaves in area->result, computed by the host. */
uint64_t payload_compute(uint64_t seed, uint64_t rounds);

#endif
