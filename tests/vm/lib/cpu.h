/* SPDX-License-Identifier: GPL-2.0-only */
/* Processors of the machine. Functions return 0 or -errno. */
#ifndef CPU_H
#define CPU_H

#include <stdbool.h>
#include <stdint.h>

#define MSR_EFER	0xc0000080
#define EFER_SVME	(1ULL << 12)
#define MSR_VM_HSAVE_PA 0xc0010117
#define CR4_VMXE	(1ULL << 13)

int cpu_pin(int cpu);					  /* the calling thread */
int cpu_online(int cpu, bool on);			  /* needs cpu 1 and up */
int cpu_count(void);					  /* online */
int cpu_read_msr(int cpu, uint32_t msr, uint64_t *value); /* needs msr.ko */
/*
 * 1 if virtualization is on there, 0 if not, or -errno: EFER.SVME, which needs msr.ko, or
 * CR4.VMXE, which needs control-registers.ko.
 */
int cpu_virt(int cpu);
bool cpu_intel(void);
/*
 * How often to do here what is done n times on the AMD machine. The Intel machine's emulator has
 * one thread for all CPUs and is about five times slower.
 */
int scaled(int n);
/*
 * How long to wait here for what a stock kernel does in that many seconds: on a debug kernel
 * (tests/debug) everything takes six times as long.
 */
int patience(int seconds);
/* Of this CPU's vendor: "kvm-intel" or "kvm-amd". */
const char *stock_module(void);

#endif
