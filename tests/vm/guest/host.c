// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cpu.h"
#include "../lib/tap.h"
#include "host.h"

#define MXCSR	  0x1f80
#define MSRS	  3
#define EVERY	  8 /* checks that need system calls are made every 8th time only */
#define SHOW	  5
#define SAME_READ 3

static const uint32_t syscall_msrs[MSRS] = { 0xc0000081, 0xc0000082, 0xc0000084 };

static __thread struct {
	const char *name;
	pthread_mutex_t *still;
	uint64_t gs_base, xmm[32], msr[MSRS];
	volatile uint64_t watched;
	uint64_t stores, entries;
	int watch;
	int bad;
} me;

/* clang-format off */
#define XMM_ALL(op)							\
	op("0", "0x00") op("1", "0x10") op("2", "0x20") op("3", "0x30")	\
	op("4", "0x40") op("5", "0x50") op("6", "0x60") op("7", "0x70")	\
	op("8", "0x80") op("9", "0x90") op("10", "0xa0") op("11", "0xb0") \
	op("12", "0xc0") op("13", "0xd0") op("14", "0xe0") op("15", "0xf0")
/* clang-format on */
#define LOAD(n, off)  "movdqu " off "(%[in]), %%xmm" n "\n"
#define STORE(n, off) "movdqu %%xmm" n ", " off "(%[out])\n"

/* KVM_RUN with the host's values in all XMM registers; what they hold afterwards goes to out. */
static long run_with_xmm(int fd, const uint64_t in[32], uint64_t out[32])
{
	register long request asm("rsi") = KVM_RUN;
	register long arg asm("rdx") = 0;
	long r = SYS_ioctl;

	asm volatile(XMM_ALL(LOAD) "syscall\n" XMM_ALL(STORE)
		     : "+a"(r)
		     : "D"((long)fd), "r"(request), "r"(arg), [in] "r"(in), [out] "r"(out)
		     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
		       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
		       "xmm13", "xmm14", "xmm15");
	return r;
}

static void bad(const char *what, uint64_t want, uint64_t got)
{
	if (me.bad++ < SHOW)
		diag("host of %s: %s: want 0x%llx got 0x%llx", me.name, what,
		     (unsigned long long)want, (unsigned long long)got);
}

static unsigned int where(unsigned int *node)
{
	unsigned int cpu = 0;

	syscall(SYS_getcpu, &cpu, node, NULL); /* not by vDSO: that asks TSC_AUX */
	return cpu;
}

/*
 * In user mode they are the host's. The read itself is made in the kernel, where a vCPU may have
 * been scheduled in and left its guest's, which is no error: only a value that stays wrong is one.
 */
static void check_msrs(void)
{
	unsigned int node;
	uint64_t value = 0;
	int i, tries;

	for (i = 0; i < MSRS; i++) {
		for (tries = 0; tries < SAME_READ; tries++) {
			if (!cpu_read_msr(where(&node), syscall_msrs[i], &value) &&
			    value == me.msr[i])
				break;
			sched_yield();
		}
		if (tries == SAME_READ)
			bad("an MSR of SYSCALL", me.msr[i], value);
	}
}

static void check_watch(void)
{
	uint64_t count = 0;

	me.watched = ++me.stores;
	if (read(me.watch, &count, sizeof(count)) != sizeof(count) || count != me.stores)
		bad("breakpoint hits", me.stores, count);
}

static void check(const uint64_t xmm[32])
{
	uint32_t lo, hi, aux, mxcsr;
	unsigned int cpu, node;
	uint64_t gs = 0;
	uint16_t fcw;

	asm volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
	asm volatile("stmxcsr %0" : "=m"(mxcsr));
	asm volatile("fnstcw %0" : "=m"(fcw));
	syscall(SYS_arch_prctl, ARCH_GET_GS, &gs);
	cpu = where(&node);
	if (aux != (node << 12 | cpu))
		bad("TSC_AUX", node << 12 | cpu, aux);
	if (mxcsr != MXCSR)
		bad("MXCSR", MXCSR, mxcsr);
	if (fcw != 0x37f)
		bad("x87 control word", 0x37f, fcw);
	if (gs != me.gs_base)
		bad("GS base", me.gs_base, gs);
	if (memcmp(xmm, me.xmm, sizeof(me.xmm)))
		bad("XMM", me.xmm[0], xmm[0]);
	if (me.watch >= 0 && me.entries % EVERY == 0) {
		check_watch();
		check_msrs();
	}
}

int host_enter(struct vcpu *v)
{
	uint64_t xmm[32];
	long r;

	r = run_with_xmm(v->fd, me.xmm, xmm);
	me.entries++;
	pthread_mutex_lock(me.still);
	check(xmm);
	pthread_mutex_unlock(me.still);
	return r;
}

/* A data breakpoint on me.watched, counted by perf in our own thread. */
static int watch(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = (unsigned long)&me.watched,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	me.watch = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	return me.watch < 0 ? -errno : 0;
}

int host_begin(const char *name, uint64_t seed, pthread_mutex_t *still)
{
	uint32_t mxcsr = MXCSR; /* a new thread has the flags of the one that made it */
	unsigned int node;
	int i, r;

	memset(&me, 0, sizeof(me));
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
	me.name = name;
	me.still = still;
	me.watch = -1;
	if (cpu_intel()) {
		r = watch();
		for (i = 0; i < MSRS && !r; i++)
			r = cpu_read_msr(where(&node), syscall_msrs[i], &me.msr[i]);
		if (r)
			return r;
	}
	for (i = 0; i < 32; i++)
		me.xmm[i] = mix(seed, 2000 + i);
	me.gs_base = mix(seed, 1000) & 0x7fffffffffffULL;
	return syscall(SYS_arch_prctl, ARCH_SET_GS, me.gs_base) ? -errno : 0;
}

int host_end(void)
{
	if (me.watch >= 0)
		close(me.watch);
	return me.bad;
}
