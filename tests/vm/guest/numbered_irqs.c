// SPDX-License-Identifier: GPL-2.0-only
/* ioeventfds and interrupts of numbered.h: the thread that counts the ones and sends the others. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>

#include "numbered_me.h"

#define STEP_MS	    1	/* how often the I/O thread looks without being woken */
#define GAP_MS	    2	/* from one interrupt of a source to its next */
#define WAITED_MS   100 /* more than that, to a guest that waits for its timer */
#define LATE_ROUNDS 8	/* in which an interrupt should come */

static const char * const kicks_of[KICKS] = {
	[KICK_PIO4] = "PIO, 4 bytes, one value",
	[KICK_PIO2] = "PIO, 2 bytes, any value",
	[KICK_PIO_ANY] = "PIO, any length",
	[KICK_MMIO_ANY] = "MMIO, any length",
	[KICK_QUEUE0] = "MMIO, 2 bytes, value 0",
	[KICK_QUEUE1] = "MMIO, 2 bytes, value 1",
	[KICK_MMIO4] = "MMIO, 4 bytes, any value",
	[KICK_MMIO8] = "MMIO, 8 bytes, one value",
};

static const char * const sources_of[SOURCES] = {
	[SOURCE_IRQFD] = "irqfd",
	[SOURCE_LEVEL] = "irqfd with resampling",
	[SOURCE_LINE] = "KVM_IRQ_LINE",
	[SOURCE_MSI] = "KVM_SIGNAL_MSI",
};

/* ---- ioeventfds -------------------------------------------------------------------- */

/* Called by the I/O thread, and by a vCPU's thread that wants to know. */
static void count_kicks(int i, int which)
{
	uint64_t n = 0;

	pthread_mutex_lock(&me->kick_lock);
	if (read(me->of[i].kick[which], &n, sizeof(n)) == sizeof(n)) {
		if (wrong(FAULT_KICK_LOST, i))
			n--;
		if (wrong(FAULT_KICK_TWICE, i))
			n++;
		me->of[i].kicks[which] += n;
	}
	pthread_mutex_unlock(&me->kick_lock);
}

void numbered_check_kicks(int i)
{
	int which;

	for (which = 0; which < KICKS; which++) {
		count_kicks(i, which);
		if (me->of[i].kicks[which] != guest(i)->kicks[which])
			failed(i,
			       "ioeventfd (%s) counts %llu, the guest kicked %llu times",
			       kicks_of[which],
			       (unsigned long long)me->of[i].kicks[which],
			       (unsigned long long)guest(i)->kicks[which]);
	}
}

/* ---- interrupts -------------------------------------------------------------------- */

void numbered_set_line(int i, int level)
{
	struct kvm_irq_level line = { .irq = numbered_line_gsi(i), .level = level };

	need(i, xioctl(me->control, KVM_IRQ_LINE, &line), "KVM_IRQ_LINE");
}

void numbered_signal_msi(int i, int vector)
{
	struct kvm_msi msi = { .address_lo = LAPIC_GPA | i << 12, .data = vector };
	int r = xioctl(me->control, KVM_SIGNAL_MSI, &msi);

	need(i, r, "KVM_SIGNAL_MSI");
	if (!r)
		failed(i, "KVM_SIGNAL_MSI: the guest's local APIC refused it");
}

static void add_one(int i, int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		failed(i, "writing an irqfd: %s", strerror(errno));
}

static void send_one(int i, int source)
{
	switch (source) {
	case SOURCE_IRQFD:
		add_one(i, me->of[i].irqfd);
		break;
	case SOURCE_LEVEL:
		add_one(i, me->of[i].level);
		break;
	case SOURCE_LINE:
		numbered_set_line(i, 1);
		break;
	case SOURCE_MSI:
		numbered_signal_msi(i, VECTOR_MSI);
		break;
	}
}

/*
 * The device of SOURCE_LEVEL is told that its interrupt was acknowledged. It holds the line until the
 * guest has had it, as a device does whose driver clears the cause: else it goes up again.
 */
static void count_resamples(int i)
{
	struct numbered_host *h = host(i);
	uint64_t n, due;

	if (me->of[i].resample < 0 ||
	    read(me->of[i].resample, &n, sizeof(n)) != sizeof(n))
		return;
	if (wrong(FAULT_RESAMPLE_LOST, i))
		n--;
	if (wrong(FAULT_RESAMPLE_TWICE, i))
		n++;
	if (guest(i)->irqs[SOURCE_LEVEL] < h->sent[SOURCE_LEVEL]) {
		h->asked += n;
		add_one(i, me->of[i].level);
	} else {
		due = h->sent[SOURCE_LEVEL] - h->resampled;
		due = n < due ? n : due;
		h->resampled += due;
		h->asked += n - due;
	}
	if (h->asked > me->n->may_ask)
		failed(i,
		       "the device of a level-triggered interrupt was asked %llu times",
		       (unsigned long long)h->asked);
}

static const enum numbered_fault lose[SOURCES] = {
	[SOURCE_IRQFD] = FAULT_IRQFD_LOST,
	[SOURCE_LEVEL] = FAULT_LEVEL_LOST,
	[SOURCE_LINE] = FAULT_LINE_LOST,
	[SOURCE_MSI] = FAULT_MSI_LOST,
}, repeat[SOURCES] = {
	[SOURCE_IRQFD] = FAULT_IRQFD_TWICE,
	[SOURCE_LEVEL] = FAULT_LEVEL_TWICE,
	[SOURCE_LINE] = FAULT_LINE_TWICE,
	[SOURCE_MSI] = FAULT_MSI_TWICE,
};

/* How often the line of a source went down again. */
static uint64_t lowered(int i, int source)
{
	struct numbered_host *h = host(i);

	switch (source) {
	case SOURCE_LEVEL:
		return h->resampled;
	case SOURCE_LINE:
		return *(volatile uint64_t *)&h->lowered;
	}
	return h->sent[source];
}

static uint64_t patience(void)
{
	return 1000 * MS * (me->n->options.patience ?: 10);
}

/* Nothing that was sent is on its way. Too many fail at once, too few when they are late. */
static bool arrived(int i, int source, uint64_t time)
{
	uint64_t counted = guest(i)->irqs[source], sent = host(i)->sent[source];
	uint64_t down = lowered(i, source);

	if (counted > sent || down > sent)
		failed(i,
		       "%s: %llu interrupts sent, the guest counts %llu, the line went "
		       "down %llu times",
		       sources_of[source], (unsigned long long)sent,
		       (unsigned long long)counted, (unsigned long long)down);
	if (counted == sent && down == sent)
		return true;
	/* The guest has run since then, with interrupts on. */
	if (time < me->of[i].sent_at[source] + patience() ||
	    guest(i)->rounds < me->of[i].rounds[source] + LATE_ROUNDS)
		return false;
	if (counted == sent)
		failed(i, "%s: %llu interrupts sent, the line went down %llu times",
		       sources_of[source], (unsigned long long)sent,
		       (unsigned long long)down);
	failed(i, "%s: %llu interrupts sent, the guest counts %llu", sources_of[source],
	       (unsigned long long)sent, (unsigned long long)counted);
}

/*
 * The guest would have taken another one of the source meanwhile: it has done a round since the last one
 * arrived, in which interrupts are on, or it has been waiting for its timer for long.
 */
static bool would_have_come(int i, int source, uint64_t time)
{
	struct numbered_vcpu *s = &me->of[i];
	volatile struct numbered_guest *g = guest(i);

	return g->rounds > s->rounds[source] + 1 ||
	       (g->ticks < g->armed && time > s->next_at[source] + WAITED_MS * MS);
}

/*
 * The next interrupt is sent some time after the last one has arrived, so none can coalesce with
 * another. True if nothing is on its way.
 */
static bool step(int i, int source, uint64_t time)
{
	struct numbered_vcpu *s = &me->of[i];
	struct numbered_host *h = host(i);

	if (!guest(i)->rounds)
		return true; /* it has no local APIC yet */
	if (!arrived(i, source, time))
		return false;
	if (!s->next_at[source]) {
		if (h->sent[source] && wrong(repeat[source], i))
			send_one(i, source);
		s->rounds[source] = guest(i)->rounds;
		s->next_at[source] = now() + GAP_MS * MS + mix(i, h->sent[source]) % MS;
	}
	if (me->quiet || time < s->next_at[source] || !would_have_come(i, source, time))
		return true;
	h->sent[source]++;
	__sync_synchronize();
	if (!wrong(lose[source], i))
		send_one(i, source);
	s->next_at[source] = 0;
	s->sent_at[source] = now();
	s->rounds[source] = guest(i)->rounds;
	return false;
}

void *numbered_io_thread(void *unused)
{
	struct pollfd fd[NUMBERED_VCPUS * (KICKS + 1)];
	struct timespec wait = { 0, STEP_MS * MS };
	int n = 0, i, k, vcpus = me->n->options.vcpus;

	for (i = 0; i < vcpus; i++) {
		for (k = 0; k < KICKS; k++)
			fd[n++] = (struct pollfd){ .fd = me->of[i].kick[k],
						   .events = POLLIN };
		fd[n++] = (struct pollfd){ .fd = me->of[i].resample, .events = POLLIN };
	}
	__atomic_add_fetch(&me->begun, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		bool idle = true, asked = me->quiet;

		if (ppoll(fd, n, &wait, NULL) < 0 && errno != EINTR)
			failed(-1, "ppoll: %s", strerror(errno));
		for (i = 0; i < n; i++) {
			if (!(fd[i].revents & POLLIN))
				continue;
			if (i % (KICKS + 1) < KICKS)
				count_kicks(i / (KICKS + 1), i % (KICKS + 1));
			else
				count_resamples(i / (KICKS + 1));
		}
		for (i = 0; i < vcpus; i++)
			for (k = 0; k < SOURCES; k++)
				if (me->sources & 1 << k && !step(i, k, now()))
					idle = false;
		if (asked && idle)
			me->silent = true;
	}
	return unused;
}
