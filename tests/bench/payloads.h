/* SPDX-License-Identifier: GPL-2.0-only */
/* The payloads of payloads.c, which run in guests: only their addresses are of use. */
#ifndef BENCH_PAYLOADS_H
#define BENCH_PAYLOADS_H

#include "../vm/guest/payloads.h"

/*
 * Each does area->rounds rounds and leaves what each round cost, 32 bits a sample, at
 * TOUCH_GPA of its vCPU.
 */
guest_fn bench_nothing, bench_cpuid, bench_rdmsr, bench_wrmsr, bench_tsc_aux,
	bench_hypercall, bench_port, bench_hlt, bench_mmio, bench_pic, bench_fault,
	bench_interrupt, bench_ping;
/* No samples: the other side of one. */
guest_fn bench_pong, bench_sleeper;

#endif
