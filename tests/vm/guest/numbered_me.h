/* SPDX-License-Identifier: GPL-2.0-only */
/* What the threads of numbered_vmm() share: numbered_vmm.c, numbered_irqs.c, numbered_faults.c. */
#ifndef NUMBERED_ME_H
#define NUMBERED_ME_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "numbered_vmm.h"

#define MS	    1000000ULL
#define FAULT_ROUND 2 /* after which something is done wrong */

extern struct numbered_vmm numbered_me;
static struct numbered_vmm * const me = &numbered_me;

static inline void sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * MS };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static inline uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static inline volatile struct numbered_guest *guest(int i)
{
	return &me->n->of[i].guest;
}

static inline struct numbered_host *host(int i)
{
	return &me->n->host[i];
}

/* The first of all threads says why; the process ends. */
static inline void failed(int i, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
static inline void failed(int i, const char *fmt, ...)
{
	va_list ap;
	int n = 0;

	if (!__atomic_exchange_n(&me->n->failed, 1, __ATOMIC_SEQ_CST)) {
		if (i >= 0)
			n = snprintf(me->n->why, sizeof(me->n->why), "vCPU %d: ", i);
		va_start(ap, fmt);
		vsnprintf(me->n->why + n, sizeof(me->n->why) - n, fmt, ap);
		va_end(ap);
		__sync_synchronize();
		me->n->why_written = true;
		_exit(1);
	}
	for (;;)
		sleep_ms(1000);
}

static inline void need(int i, int r, const char *what)
{
	if (r < 0)
		failed(i, "%s: %s", what, strerror(-r));
}

/* Is it time to do this wrong? Vcpu 0 does, and it says yes once. */
static inline bool wrong(enum numbered_fault fault, int i)
{
	return me->n->options.fault == fault && !i && guest(i)->rounds >= FAULT_ROUND &&
	       !__atomic_exchange_n(&me->fault_done, 1, __ATOMIC_SEQ_CST);
}

static inline uint64_t value_of(const void *data, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, data, size);
	return v;
}

/* numbered_irqs.c: ioeventfds and interrupts. */
/* The thread that polls eventfds and sends interrupts. */
void *numbered_io_thread(void *unused);
void numbered_check_kicks(int i); /* the guest kicked as often as was counted */
void numbered_set_line(int i, int level);
void numbered_signal_msi(int i, int vector);

/* numbered_faults.c: a vCPU's state is changed as a bad move would, once and if it is time. */
/* At the end of a round; before PIO; with a timer armed. */
void numbered_round_fault(int i, uint64_t round);
void numbered_flags_fault(int i);
void numbered_fpu_fault(int i);
void numbered_timer_fault(int i);

#endif
