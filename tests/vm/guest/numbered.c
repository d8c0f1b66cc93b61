// SPDX-License-Identifier: GPL-2.0-only
/* The process that starts one of numbered.h and watches it. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "numbered_vmm.h"

#define STOP_SECONDS 30

static char why[400];

const char *numbered_why(void)
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

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Has it ended? 0, or why it has. Only if it was asked to is that no error. */
static int ended(struct numbered *n, bool *gone)
{
	int status;

	*gone = !n->pid || waitpid(n->pid, &status, WNOHANG) == n->pid;
	if (!*gone)
		return 0;
	if (n->pid)
		n->status = status;
	n->pid = 0;
	if (n->why_written)
		return because(-EIO, "%s", n->why);
	if (WIFSIGNALED(n->status))
		return because(-EIO, "killed by signal %d (%s)", WTERMSIG(n->status),
			       strsignal(WTERMSIG(n->status)));
	if (n->state != STATE_ENDED)
		return because(-EIO, "ended with status %d", WEXITSTATUS(n->status));
	return 0;
}

static int wait_for_state(struct numbered *n, int state, int seconds)
{
	double until = now() + seconds;
	bool gone;
	int r;

	while (n->state < state) {
		r = ended(n, &gone);
		if (r)
			return r;
		if (now() > until)
			return because(-ETIMEDOUT, "in state %d after %d s", n->state,
				       seconds);
		usleep(1000);
	}
	return 0;
}

int numbered_start(struct numbered **np, const struct numbered_options *o)
{
	struct numbered *n = mmap(NULL, sizeof(*n), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	*np = NULL;
	if (n == MAP_FAILED)
		return because(-ENOMEM, "no shared memory");
	n->options = *o;
	pid = fork();
	if (!pid)
		numbered_vmm(n);
	if (pid < 0) {
		munmap(n, sizeof(*n));
		return because(-errno, "fork: %s", strerror(errno));
	}
	n->pid = pid;
	*np = n;
	return 0;
}

int numbered_runs(struct numbered *n, int seconds)
{
	return wait_for_state(n, STATE_RUNNING, seconds);
}

void numbered_kill(struct numbered *n)
{
	if (!n)
		return;
	if (n->pid > 0) {
		kill(n->pid, SIGKILL);
		waitpid(n->pid, NULL, 0);
	}
	munmap(n, sizeof(*n));
}

int numbered_advances(struct numbered *n, uint64_t rounds, int seconds)
{
	double until = now() + seconds;
	uint64_t from[NUMBERED_VCPUS];
	bool gone;
	int i, r;

	for (i = 0; i < n->options.vcpus; i++)
		from[i] = numbered_rounds(n, i);
	for (i = 0; i < n->options.vcpus; i++) {
		while (numbered_rounds(n, i) < from[i] + rounds) {
			r = ended(n, &gone);
			if (gone)
				return r ?: because(-EIO, "it has ended");
			if (now() > until)
				return because(-ETIMEDOUT,
					       "vCPU %d is in round %llu after %d s", i,
					       (unsigned long long)numbered_rounds(n, i),
					       seconds);
			usleep(1000);
		}
	}
	return 0;
}

int numbered_fails(struct numbered *n, int seconds)
{
	double until = now() + seconds;
	bool gone;

	while (now() < until) {
		ended(n, &gone);
		if (gone)
			return 0;
		usleep(1000);
	}
	return because(-ETIMEDOUT, "all is right after %d s", seconds);
}

int numbered_stop(struct numbered *n)
{
	int r;

	n->stop = true;
	r = wait_for_state(n, STATE_ENDED, STOP_SECONDS);
	numbered_kill(n);
	return r;
}

void numbered_may_ask(struct numbered *n, int times)
{
	uint64_t most = 0;
	int i;

	for (i = 0; i < n->options.vcpus; i++)
		if (n->host[i].asked > most)
			most = n->host[i].asked;
	n->may_ask = most + times;
}

pid_t numbered_pid(const struct numbered *n)
{
	return n->pid;
}

uint64_t numbered_rounds(const struct numbered *n, int vcpu)
{
	return *(volatile uint64_t *)&n->of[vcpu].guest.rounds;
}

static uint64_t us_of(const struct numbered_guest *g, uint64_t ticks)
{
	return g->tsc_khz ? ticks * 1000 / g->tsc_khz : 0;
}

uint64_t numbered_gap(struct numbered *n)
{
	uint64_t gap, most = 0;
	int i;

	for (i = 0; i < n->options.vcpus; i++) {
		struct numbered_guest *g = &n->of[i].guest;

		gap = us_of(g, __atomic_exchange_n(&g->tsc_gap, 0, __ATOMIC_SEQ_CST));
		most = gap > most ? gap : most;
	}
	return most;
}

int64_t numbered_behind(const struct numbered *n)
{
	return n->host[0].clock_behind / 1000;
}

const char *numbered_text(const struct numbered *n, int vcpu)
{
	static char text[600];
	const struct numbered_guest *g = &n->of[vcpu].guest;
	const struct numbered_host *h = &n->host[vcpu];
	uint64_t kicks = 0;
	int i;

	for (i = 0; i < KICKS; i++)
		kicks += g->kicks[i];
#define N(what)	 (unsigned long long)g->number[NUMBERED_##what]
#define U(value) (unsigned long long)(value)
	snprintf(text, sizeof(text),
		 "vCPU %d: %llu rounds; PIO %llu out %llu in, MMIO %llu written %llu "
		 "read, MSR %llu+%llu, "
		 "%llu kicks, %llu coalesced (%llu found the ring full); interrupts %llu "
		 "irqfd, "
		 "%llu level, %llu line, %llu MSI, %llu ticks; %llu exits, %llu "
		 "interrupted; gap %llu us "
		 "by TSC, %llu us by kvmclock, which went back %llu ns at most; behind "
		 "the host %lld us "
		 "by TSC, %lld us by kvmclock",
		 vcpu, U(g->rounds), N(PIO_OUT), N(PIO_IN), N(MMIO_WRITE), N(MMIO_READ),
		 N(MSR_WRITE), N(MSR_READ), U(kicks),
		 N(COALESCED_MMIO) + N(COALESCED_PIO), U(h->overflows),
		 U(g->irqs[SOURCE_IRQFD]), U(g->irqs[SOURCE_LEVEL]),
		 U(g->irqs[SOURCE_LINE]), U(g->irqs[SOURCE_MSI]), U(g->ticks),
		 U(h->exits), U(h->interrupted), U(us_of(g, g->tsc_gap)),
		 U(g->clock_gap / 1000), U(g->clock_back),
		 (long long)h->tsc_behind / 1000, (long long)h->clock_behind / 1000);
	return text;
}
