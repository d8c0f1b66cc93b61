// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cpu.h"
#include "work.h"

struct runner {
	struct work *work;
	struct vcpu *v;
	pthread_t thread;
	bool started;
	volatile bool ended;
	int result; /* valid once ended */
	char why[200];
};

struct work {
	struct vm *vm;
	const struct payload *payload;
	int vcpus;
	int cpu;
	struct runner runner[VM_MAX_VCPUS];
};

static char why[400];

const char *work_why(void)
{
	return why;
}

__attribute__((format(printf, 2, 3))) static int because(int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return r;
}

/* ---- what the host does for each payload ------------------------------------------- */

static int drop_pages(struct vcpu *v, uint64_t value)
{
	(void)value;
	vcpu_drop_pages(v);
	return 0;
}

static int nothing(struct vcpu *v, uint64_t value)
{
	(void)v;
	(void)value;
	return 0;
}

static int by_msi(struct vcpu *v, uint64_t value)
{
	(void)value;
	return vm_signal_msi(v->vm, v->id, IRQ_VECTOR);
}

static int by_irqfd(struct vcpu *v, uint64_t value)
{
	uint64_t one = 1;
	int r;

	if (value == 0) {
		r = vm_irqfd(v->vm, v->id, IRQ_VECTOR);
		if (r < 0)
			return r;
		v->scratch = r;
	}
	if (write(v->scratch, &one, sizeof(one)) != sizeof(one))
		return -errno;
	return 0;
}

static int close_irqfd(struct vcpu *v)
{
	close(v->scratch);
	return 0;
}

/* The log must name exactly the pages that the guest wrote in this round. */
static int compare_dirty(struct vcpu *v, uint64_t round)
{
	uint64_t got, want = 0, i;
	int r = vm_dirty_log(v->vm, v->id, &got);

	if (r < 0)
		return r;
	for (i = 0; i < 64; i++)
		if (mix(v->area->seed + round, v->id * 64 + i) & 1)
			want |= 1ULL << i;
	return got == want ? 0 : -EILSEQ;
}

static int check_irqs(struct vcpu *v)
{
	return v->area->irqs == v->area->rounds ? 0 : -EILSEQ;
}

static int check_compute(struct vcpu *v)
{
	uint64_t want = payload_compute(v->area->seed, v->area->rounds);

	return v->area->result == want ? 0 : -EILSEQ;
}

static int check_real(struct vcpu *v)
{
	struct kvm_sregs s;
	int r = vcpu_get_sregs(v, &s);

	return r < 0 ? r : s.cr0 & 1 ? -EILSEQ : 0;
}

const struct payload payloads[] = {
	{ "real-mode-io", NULL, 0, 500, NULL, check_real },
	{ "cpuid", guest_cpuid, 0, 500, NULL, NULL },
	{ "io", guest_io, 0, 500, NULL, NULL },
	{ "mmio", guest_mmio, 0, 500, NULL, NULL },
	{ "msr", guest_msr, 0, 200, NULL, NULL },
	{ "touch", guest_touch, 0, 5, drop_pages, NULL },
	{ "apic-timer", guest_timer, VM_IRQCHIP, 50, NULL, check_irqs },
	{ "injected-interrupt", guest_irq, 0, 200, nothing, check_irqs },
	{ "msi", guest_irq, VM_IRQCHIP, 200, by_msi, check_irqs },
	{ "irqfd", guest_irq, VM_IRQCHIP, 200, by_irqfd, close_irqfd },
	{ "dirty-log", guest_dirty, VM_DIRTY_LOG, 30, compare_dirty, NULL },
	{ "fpu", guest_fpu, 0, 300, nothing, NULL },
	{ "debug-registers", guest_debug, 0, 300, nothing, NULL },
	{ "tsc", guest_tsc, 0, 100, nothing, NULL },
	{ "compute", guest_compute, 0, 200, NULL, check_compute },
	{ "mix", guest_mix, VM_IRQCHIP, 50, drop_pages, NULL },
	{ "secrets", guest_secrets, 0, 200, nothing, NULL },
	{ NULL, NULL, 0, 0, NULL, NULL },
};

unsigned int payload_rounds(const struct payload *p)
{
	return scaled(p->rounds);
}

const struct payload *payload_find(const char *name)
{
	const struct payload *p;

	for (p = payloads; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

/* ---- running ----------------------------------------------------------------------- */

/* 0 when done or kicked; else the reason is in r->why. */
static int run_to_end(struct runner *r)
{
	const struct payload *p = r->work->payload;
	struct event e;
	int err;

	for (;;) {
		vcpu_run(r->v, &e);
		if (e.kind == EV_KICKED)
			return 0;
		if (e.kind == EV_DONE) {
			err = p->check ? p->check(r->v) : 0;
			if (err)
				snprintf(r->why, sizeof(r->why), "check: %s",
					 strerror(-err));
			return err;
		}
		if (e.kind == EV_SYNC && p->at_sync) {
			err = p->at_sync(r->v, e.value);
			if (!err)
				continue;
			snprintf(r->why, sizeof(r->why), "at sync %llu: %s",
				 (unsigned long long)e.value, strerror(-err));
			return err;
		}
		if (e.kind == EV_HLT && p->fn == guest_irq) {
			err = vcpu_interrupt(r->v, IRQ_VECTOR);
			if (!err)
				continue;
			snprintf(r->why, sizeof(r->why), "KVM_INTERRUPT: %s",
				 strerror(-err));
			return err;
		}
		snprintf(r->why, sizeof(r->why), "%s", event_text(r->v, &e));
		return -EIO;
	}
}

static void *run_thread(void *arg)
{
	struct runner *r = arg;
	cpu_set_t set;

	if (r->work->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(r->work->cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	r->result = run_to_end(r);
	__sync_synchronize();
	r->ended = true;
	return NULL;
}

static int start_one(struct work *w, int i, uint64_t rounds)
{
	struct runner *r = &w->runner[i];
	int err;

	r->work = w;
	err = vcpu_create(w->vm, &r->v);
	if (err)
		return because(err, "creating vCPU %d: %s", i, strerror(-err));
	if (w->payload->fn)
		err = vcpu_set_long(r->v, w->payload->fn, rounds,
				    mix((unsigned long)r->v, (unsigned long)getpid()));
	else
		err = vcpu_set_real(r->v, guest_real_io, rounds);
	if (err)
		return because(err, "setting up vCPU %d: %s", i, strerror(-err));
	err = -pthread_create(&r->thread, NULL, run_thread, r);
	r->started = !err;
	return err;
}

int work_start(struct work **wp, const char *dev, const struct payload *p, int vcpus,
	       uint64_t rounds, int cpu)
{
	struct work *w = calloc(1, sizeof(*w));
	int i, err;

	*wp = NULL;
	if (!w)
		return -ENOMEM;
	w->payload = p;
	w->vcpus = vcpus;
	w->cpu = cpu;
	err = vm_create(&w->vm, dev, p->vm_flags);
	if (err) {
		free(w);
		return because(err, "creating a VM on %s: %s", dev, strerror(-err));
	}
	for (i = 0; i < vcpus && !err; i++)
		err = start_one(w, i, rounds);
	if (err)
		work_stop(w);
	else
		*wp = w;
	return err;
}

uint64_t work_progress(struct work *w, int vcpu)
{
	return *(volatile uint64_t *)&w->runner[vcpu].v->area->progress;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int work_advances(struct work *w, uint64_t rounds, int seconds)
{
	double until = now() + patience(seconds);
	uint64_t from[VM_MAX_VCPUS];
	int i;

	for (i = 0; i < w->vcpus; i++)
		from[i] = work_progress(w, i);
	for (i = 0; i < w->vcpus; i++) {
		while (work_progress(w, i) < from[i] + rounds) {
			if (w->runner[i].ended)
				return because(-EIO, "vCPU %d ended: %s", i,
					       w->runner[i].why);
			if (now() > until)
				return because(-ETIMEDOUT, "vCPU %d stays at %llu", i,
					       (unsigned long long)work_progress(w, i));
			usleep(2000);
		}
	}
	return 0;
}

static int join_all(struct work *w)
{
	int i, err = 0;

	for (i = 0; i < w->vcpus; i++) {
		struct runner *r = &w->runner[i];

		if (!r->started)
			continue;
		pthread_join(r->thread, NULL);
		if (r->result && !err)
			err = because(r->result, "vCPU %d: %s", i, r->why);
	}
	vm_destroy(w->vm);
	free(w);
	return err;
}

int work_stop(struct work *w)
{
	int i;

	for (i = 0; i < w->vcpus; i++) {
		struct runner *r = &w->runner[i];

		/* Repeated, since a signal that comes before the ioctl interrupts nothing. */
		while (r->started && !r->ended) {
			vcpu_kick(r->v, r->thread);
			usleep(500);
		}
	}
	return join_all(w);
}

int work_finish(struct work *w, int seconds)
{
	double until = now() + patience(seconds);
	int i;

	for (i = 0; i < w->vcpus; i++) {
		while (!w->runner[i].ended) {
			if (now() > until) {
				char late[80];

				snprintf(late, sizeof(late),
					 "vCPU %d not done: round %llu", i,
					 (unsigned long long)work_progress(w, i));
				work_stop(w);
				return because(-ETIMEDOUT, "%s", late);
			}
			usleep(500);
		}
	}
	return join_all(w);
}

int payload_run(const char *dev, const struct payload *p, int vcpus, int seconds)
{
	struct work *w;
	int err = work_start(&w, dev, p, vcpus, payload_rounds(p), -1);

	return err ? err : work_finish(w, seconds);
}
