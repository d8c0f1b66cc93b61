// SPDX-License-Identifier: GPL-2.0-only
/* The process of numbered.h: its threads, what they answer and what they check. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "numbered_vmm.h"

#define MS		    1000000ULL
#define LAPIC_INITIAL_COUNT 0x380
#define LAPIC_CURRENT_COUNT 0x390
#define MSR_TSC_DEADLINE    0x6e0

#define PAGE_SIZE GUEST_PAGE /* for KVM_COALESCED_MMIO_MAX */

#define STEP_MS	    1	/* how often the I/O thread looks without being woken */
#define GAP_MS	    2	/* from one interrupt of a source to its next */
#define WAITED_MS   100 /* more than that, to a guest that waits for its timer */
#define KICK_MS	    5	/* between signals to vCPUs */
#define STATS_EVERY 20	/* of these */
#define FAULT_ROUND 2	/* after which something is done wrong */
#define LATE_ROUNDS 8	/* in which an interrupt should come */
#define CLOCK_MS    500 /* so far may kvmclock be from the host's clock */
#define CLOCKS	    8	/* rounds */
#define INTERRUPT   16	/* every so many-th exit is followed by an interrupted KVM_RUN */

static const char * const names_of[NUMBERED_WHATS] = {
	[NUMBERED_NOTHING] = "nothing",
	[NUMBERED_PIO_OUT] = "PIO out",
	[NUMBERED_PIO_IN] = "PIO in",
	[NUMBERED_MMIO_WRITE] = "MMIO write",
	[NUMBERED_MMIO_READ] = "MMIO read",
	[NUMBERED_MSR_WRITE] = "MSR write",
	[NUMBERED_MSR_READ] = "MSR read",
	[NUMBERED_KICK] = "ioeventfd",
	[NUMBERED_MISSED_PIO] = "PIO that no ioeventfd wants",
	[NUMBERED_MISSED_MMIO] = "MMIO that no ioeventfd wants",
	[NUMBERED_COALESCED_MMIO] = "coalesced MMIO",
	[NUMBERED_COALESCED_PIO] = "coalesced PIO",
	[NUMBERED_ACK] = "acknowledgement of KVM_IRQ_LINE",
	[NUMBERED_ONE_SHOT] = "timer, one-shot",
	[NUMBERED_DEADLINE] = "timer, TSC deadline",
	[NUMBERED_TICK] = "timer ticks",
	[NUMBERED_TSC] = "TSC",
	[NUMBERED_CLOCK] = "kvmclock",
	[NUMBERED_FPU] = "FPU registers",
	[NUMBERED_FLAGS] = "flags",
	[NUMBERED_DEBUG] = "debug registers",
	[NUMBERED_MSRS] = "MSRs",
	[NUMBERED_CPUID] = "CPUID",
	[NUMBERED_READ_ONLY] = "read-only memory",
};

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

static struct numbered_vmm me;
static pthread_mutex_t kick_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile bool quiet;   /* no more interrupts are sent */
static volatile bool silent;  /* and all that were sent have come */
static volatile bool parking; /* vCPUs stop at the end of their rounds */
static int fault_done;
static int begun; /* threads */
static __thread struct kvm_run *my_run;

/* ---- small things ------------------------------------------------------------------ */

static void sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * MS };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static volatile struct numbered_guest *guest(int i)
{
	return &me.n->of[i].guest;
}

static struct numbered_host *host(int i)
{
	return &me.n->host[i];
}

static uint64_t patience(void)
{
	return 1000 * MS * (me.n->options.patience ?: 10);
}

/* The first of all threads says why; the process ends. */
__attribute__((format(printf, 2, 3), noreturn)) static void failed(int i, const char *fmt,
								   ...)
{
	va_list ap;
	int n = 0;

	if (!__atomic_exchange_n(&me.n->failed, 1, __ATOMIC_SEQ_CST)) {
		if (i >= 0)
			n = snprintf(me.n->why, sizeof(me.n->why), "vCPU %d: ", i);
		va_start(ap, fmt);
		vsnprintf(me.n->why + n, sizeof(me.n->why) - n, fmt, ap);
		va_end(ap);
		__sync_synchronize();
		me.n->why_written = true;
		_exit(1);
	}
	for (;;)
		sleep_ms(1000);
}

static void need(int i, int r, const char *what)
{
	if (r < 0)
		failed(i, "%s: %s", what, strerror(-r));
}

/* Is it time to do this wrong? Vcpu 0 does, and it says yes once. */
static bool wrong(enum numbered_fault fault, int i)
{
	return me.n->options.fault == fault && !i && guest(i)->rounds >= FAULT_ROUND &&
	       !__atomic_exchange_n(&fault_done, 1, __ATOMIC_SEQ_CST);
}

/* ---- numbers ----------------------------------------------------------------------- */

static uint64_t low(uint64_t v, unsigned int size)
{
	return size < 8 ? v & ((1ULL << 8 * size) - 1) : v;
}

static uint64_t value_of(const void *data, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, data, size);
	return v;
}

/* The guest gave a number. */
static void take_once(int i, enum numbered_what what, uint64_t got, unsigned int size)
{
	uint64_t want = me.of[i].number[what] + 1;

	if (low(want, size) != got)
		failed(i, "%s %llu, wanted %llu (%u bytes)", names_of[what],
		       (unsigned long long)got, (unsigned long long)low(want, size),
		       size);
	me.of[i].number[what] = want;
}

static void take(int i, enum numbered_what what, uint64_t got, unsigned int size,
		 enum numbered_fault lost, enum numbered_fault twice)
{
	if (lost && wrong(lost, i))
		return;
	take_once(i, what, got, size);
	if (twice && wrong(twice, i))
		take_once(i, what, got, size);
}

/* The guest gets a number. */
static void give(int i, enum numbered_what what, void *data, unsigned int size,
		 enum numbered_fault twice)
{
	uint64_t n;

	if (!wrong(twice, i))
		me.of[i].number[what]++;
	n = me.of[i].number[what];
	memcpy(data, &n, size);
}

/* ---- coalesced writes -------------------------------------------------------------- */

static bool coalesced_of(uint64_t addr, bool pio, int *i)
{
	if (pio) {
		*i = (addr - PORT_COALESCED) / 4;
		return addr >= PORT_COALESCED &&
		       addr < PORT_COALESCED + 4 * NUMBERED_VCPUS;
	}
	*i = (addr - NUMBERED_COALESCED) / NUMBERED_COALESCED_SIZE;
	return addr >= NUMBERED_COALESCED &&
	       addr < NUMBERED_COALESCED + NUMBERED_VCPUS * NUMBERED_COALESCED_SIZE;
}

static void take_coalesced(int i, bool pio, const void *data, unsigned int size)
{
	take(i, pio ? NUMBERED_COALESCED_PIO : NUMBERED_COALESCED_MMIO,
	     value_of(data, size), size, FAULT_COALESCED_LOST, FAULT_COALESCED_TWICE);
}

/* Before each exit is looked at, as they were before it. The ring is the VM's. */
static void drain_ring(int by)
{
	struct kvm_coalesced_mmio_ring *ring;
	int i;

	ring = (void *)((char *)me.of[by].v->run + me.ring_page * GUEST_PAGE);
	pthread_mutex_lock(&ring_lock);
	while (ring->first != *(volatile uint32_t *)&ring->last) {
		struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[ring->first];

		__sync_synchronize();
		if (!coalesced_of(e->phys_addr, e->pio, &i) || i >= me.n->options.vcpus)
			failed(by, "coalesced write to 0x%llx",
			       (unsigned long long)e->phys_addr);
		take_coalesced(i, e->pio, e->data, e->len);
		__sync_synchronize();
		ring->first = (ring->first + 1) % KVM_COALESCED_MMIO_MAX;
	}
	pthread_mutex_unlock(&ring_lock);
}

/* ---- ioeventfds -------------------------------------------------------------------- */

/* Called by the I/O thread, and by a vCPU's thread that wants to know. */
static void count_kicks(int i, int which)
{
	uint64_t n = 0;

	pthread_mutex_lock(&kick_lock);
	if (read(me.of[i].kick[which], &n, sizeof(n)) == sizeof(n)) {
		if (wrong(FAULT_KICK_LOST, i))
			n--;
		if (wrong(FAULT_KICK_TWICE, i))
			n++;
		me.of[i].kicks[which] += n;
	}
	pthread_mutex_unlock(&kick_lock);
}

static void check_kicks(int i)
{
	int which;

	for (which = 0; which < KICKS; which++) {
		count_kicks(i, which);
		if (me.of[i].kicks[which] != guest(i)->kicks[which])
			failed(i,
			       "ioeventfd (%s) counts %llu, the guest kicked %llu times",
			       kicks_of[which], (unsigned long long)me.of[i].kicks[which],
			       (unsigned long long)guest(i)->kicks[which]);
	}
}

/* ---- interrupts -------------------------------------------------------------------- */

static void set_line(int i, int level)
{
	struct kvm_irq_level line = { .irq = numbered_line_gsi(i), .level = level };

	need(i, xioctl(me.control, KVM_IRQ_LINE, &line), "KVM_IRQ_LINE");
}

static void signal_msi(int i, int vector)
{
	struct kvm_msi msi = { .address_lo = LAPIC_GPA | i << 12, .data = vector };
	int r = xioctl(me.control, KVM_SIGNAL_MSI, &msi);

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
		add_one(i, me.of[i].irqfd);
		break;
	case SOURCE_LEVEL:
		add_one(i, me.of[i].level);
		break;
	case SOURCE_LINE:
		set_line(i, 1);
		break;
	case SOURCE_MSI:
		signal_msi(i, VECTOR_MSI);
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

	if (me.of[i].resample < 0 || read(me.of[i].resample, &n, sizeof(n)) != sizeof(n))
		return;
	if (wrong(FAULT_RESAMPLE_LOST, i))
		n--;
	if (wrong(FAULT_RESAMPLE_TWICE, i))
		n++;
	if (guest(i)->irqs[SOURCE_LEVEL] < h->sent[SOURCE_LEVEL]) {
		h->asked += n;
		add_one(i, me.of[i].level);
	} else {
		due = h->sent[SOURCE_LEVEL] - h->resampled;
		due = n < due ? n : due;
		h->resampled += due;
		h->asked += n - due;
	}
	if (h->asked > me.n->may_ask)
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
	if (time < me.of[i].sent_at[source] + patience() ||
	    guest(i)->rounds < me.of[i].rounds[source] + LATE_ROUNDS)
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
	struct numbered_vcpu *s = &me.of[i];
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
	struct numbered_vcpu *s = &me.of[i];
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
	if (quiet || time < s->next_at[source] || !would_have_come(i, source, time))
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

static void *io_thread(void *unused)
{
	struct pollfd fd[NUMBERED_VCPUS * (KICKS + 1)];
	struct timespec wait = { 0, STEP_MS * MS };
	int n = 0, i, k, vcpus = me.n->options.vcpus;

	for (i = 0; i < vcpus; i++) {
		for (k = 0; k < KICKS; k++)
			fd[n++] = (struct pollfd){ .fd = me.of[i].kick[k],
						   .events = POLLIN };
		fd[n++] = (struct pollfd){ .fd = me.of[i].resample, .events = POLLIN };
	}
	__atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		bool idle = true, asked = quiet;

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
				if (me.sources & 1 << k && !step(i, k, now()))
					idle = false;
		if (asked && idle)
			silent = true;
	}
	return unused;
}

/* ---- faults in a vCPU's state ------------------------------------------------------- */

static bool stop_one_shot(int i)
{
	struct kvm_lapic_state lapic;

	need(i, xioctl(me.of[i].v->fd, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	if (!value_of(lapic.regs + LAPIC_CURRENT_COUNT, 4))
		return false;
	memset(lapic.regs + LAPIC_INITIAL_COUNT, 0, 4);
	need(i, xioctl(me.of[i].v->fd, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
	return true;
}

/* KVM starts the timer for what is left of it, be that nothing. */
static void set_lapic_again(int i)
{
	struct kvm_lapic_state lapic;

	need(i, xioctl(me.of[i].v->fd, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	need(i, xioctl(me.of[i].v->fd, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
}

static bool stop_deadline(int i)
{
	uint64_t value;

	need(i, vcpu_get_msr(me.of[i].v, MSR_TSC_DEADLINE, &value), "KVM_GET_MSRS");
	if (value)
		need(i, vcpu_set_msr(me.of[i].v, MSR_TSC_DEADLINE, 0), "KVM_SET_MSRS");
	return value;
}

/* Tried until the timer had not run out before. */
static void stop_timer(int i)
{
	uint64_t at = guest(i)->at;

	if (i || guest(i)->rounds < FAULT_ROUND || fault_done)
		return;
	if (me.n->options.fault == FAULT_ONE_SHOT_LOST && at == NUMBERED_ONE_SHOT)
		fault_done = stop_one_shot(i);
	if (me.n->options.fault == FAULT_DEADLINE_LOST && at == NUMBERED_DEADLINE)
		fault_done = stop_deadline(i);
}

static void turn_tsc_back(int i)
{
	struct vcpu *v = me.of[i].v;
	uint64_t offset;

	need(i, vcpu_get_tsc_offset(v, &offset), "TSC offset");
	need(i, vcpu_set_tsc_offset(v, offset - guest(i)->tsc / 2), "TSC offset");
}

static void turn_clock_back(int i)
{
	struct kvm_clock_data clock;

	need(i, xioctl(me.vm->fd, KVM_GET_CLOCK, &clock), "KVM_GET_CLOCK");
	clock.clock -= 2000 * MS;
	clock.flags = 0;
	need(i, xioctl(me.vm->fd, KVM_SET_CLOCK, &clock), "KVM_SET_CLOCK");
}

static void change_fpu(int i)
{
	struct kvm_fpu fpu;

	need(i, xioctl(me.of[i].v->fd, KVM_GET_FPU, &fpu), "KVM_GET_FPU");
	fpu.xmm[5][3] ^= 1;
	need(i, xioctl(me.of[i].v->fd, KVM_SET_FPU, &fpu), "KVM_SET_FPU");
}

static void change_flags(int i)
{
	struct kvm_regs regs;

	need(i, vcpu_get_regs(me.of[i].v, &regs), "KVM_GET_REGS");
	regs.rflags ^= 1;
	need(i, vcpu_set_regs(me.of[i].v, &regs), "KVM_SET_REGS");
}

static void change_debug(int i)
{
	struct kvm_debugregs debug;

	need(i, xioctl(me.of[i].v->fd, KVM_GET_DEBUGREGS, &debug), "KVM_GET_DEBUGREGS");
	debug.db[2] ^= 8;
	need(i, xioctl(me.of[i].v->fd, KVM_SET_DEBUGREGS, &debug), "KVM_SET_DEBUGREGS");
}

static void change_msrs(int i)
{
	uint64_t value;

	need(i, vcpu_get_msr(me.of[i].v, 0xc0000083, &value), "KVM_GET_MSRS"); /* CSTAR */
	need(i, vcpu_set_msr(me.of[i].v, 0xc0000083, value ^ 8), "KVM_SET_MSRS");
}

/* ---- vCPUs ------------------------------------------------------------------------- */

static void compare_numbers(int i)
{
	static const enum numbered_what both[] = {
		NUMBERED_PIO_OUT,	NUMBERED_PIO_IN,      NUMBERED_MMIO_WRITE,
		NUMBERED_MMIO_READ,	NUMBERED_MSR_WRITE,   NUMBERED_MSR_READ,
		NUMBERED_MISSED_PIO,	NUMBERED_MISSED_MMIO, NUMBERED_COALESCED_MMIO,
		NUMBERED_COALESCED_PIO,
	};
	unsigned int k;

	for (k = 0; k < sizeof(both) / sizeof(both[0]); k++) {
		uint64_t mine = me.of[i].number[both[k]], its = guest(i)->number[both[k]];

		if (mine != its)
			failed(i, "%s: %llu in user space, %llu in the guest",
			       names_of[both[k]], (unsigned long long)mine,
			       (unsigned long long)its);
	}
}

/* The least of the last differences: the others are of when threads ran. */
static int64_t least(int64_t last[CLOCKS], uint64_t n, int64_t difference)
{
	int64_t least = difference;
	unsigned int k;

	last[n % CLOCKS] = difference;
	for (k = 0; k < CLOCKS && k < n; k++)
		least = last[k] < least ? last[k] : least;
	return least;
}

/* How far the guest's clocks have fallen behind the host's since its first rounds. */
static void compare_clocks(int i)
{
	static struct {
		int64_t clock[CLOCKS], tsc[CLOCKS], first_clock, first_tsc;
		uint64_t n, tsc0;
	} c[NUMBERED_VCPUS];
	volatile struct numbered_guest *g = guest(i);
	uint64_t time = now(), tsc;
	int64_t clock_behind, tsc_behind;

	if (!c[i].n)
		c[i].tsc0 = g->tsc;
	tsc = (unsigned __int128)(g->tsc - c[i].tsc0) * MS / g->tsc_khz;
	clock_behind = least(c[i].clock, c[i].n, time - g->clock);
	tsc_behind = least(c[i].tsc, c[i].n, time - tsc);
	if (c[i].n++ < CLOCKS) {
		c[i].first_clock = clock_behind;
		c[i].first_tsc = tsc_behind;
	}
	host(i)->clock_behind = clock_behind - c[i].first_clock;
	host(i)->tsc_behind = tsc_behind - c[i].first_tsc;
	if (llabs(host(i)->clock_behind) > CLOCK_MS * (long long)MS)
		failed(i, "kvmclock is %lld ms behind the host's clock",
		       (long long)host(i)->clock_behind / (long long)MS);
}

static void park(int i)
{
	me.of[i].parked = true;
	for (;;)
		sleep_ms(1000);
}

/* The end of a round: nothing of this vCPU is on its way but interrupts. */
static void end_round(int i, uint64_t round)
{
	if ((uint32_t)guest(i)->rounds != round)
		failed(i, "round %llu ends, the guest is in %llu",
		       (unsigned long long)round, (unsigned long long)guest(i)->rounds);
	check_kicks(i);
	compare_numbers(i);
	compare_clocks(i);
	if (wrong(FAULT_TICK_TWICE, i))
		signal_msi(i, VECTOR_TIMER);
	if (wrong(FAULT_TIMER_AGAIN, i))
		set_lapic_again(i);
	if (wrong(FAULT_TSC_BACK, i))
		turn_tsc_back(i);
	if (wrong(FAULT_CLOCK_BACK, i))
		turn_clock_back(i);
	if (round % 8 == 3 && wrong(FAULT_DEBUG, i))
		change_debug(i);
	if (round % 8 == 3 && wrong(FAULT_MSRS, i))
		change_msrs(i);
	if (parking || wrong(FAULT_HALT, i))
		park(i);
}

static void guest_failed(int i, uint32_t value)
{
	unsigned long long want = me.of[i].v->area->want, got = me.of[i].v->area->got;
	uint64_t at = guest(i)->at;

	if (value & FAIL_EXCEPTION)
		failed(i, "exception %u (0x%llx 0x%llx) at %s", value & 0xff, want, got,
		       names_of[at % NUMBERED_WHATS]);
	if (value == NUMBERED_TSC || value == NUMBERED_CLOCK)
		failed(i, "%s went back from %llu to %llu", names_of[value], want, got);
	if (value >= LINES_OF_SECRETS)
		failed(i, "%s: 0x%llx, wanted 0x%llx (secrets.h:%u)",
		       names_of[at % NUMBERED_WHATS], got, want,
		       value % LINES_OF_SECRETS);
	if (value == NUMBERED_FLAGS)
		failed(i, "flags 0x%llx, wanted 0x%llx", got, want);
	if (value == NUMBERED_ONE_SHOT || value == NUMBERED_DEADLINE)
		failed(i, "%s: %llu ticks, wanted %llu", names_of[value], got, want);
	failed(i, "%s %llu, wanted %llu", names_of[value % NUMBERED_WHATS], got, want);
}

static bool kick_port(int i, uint16_t port)
{
	return port == PORT_KICK + i * PORT_KICK_SIZE + KICK_PIO4_AT;
}

static void port_out(int i, uint16_t port, const void *data, unsigned int size)
{
	uint64_t value = value_of(data, size);
	int of;

	if (port == PORT_NUMBERED_OUT) {
		if (guest(i)->at == NUMBERED_FLAGS && wrong(FAULT_FLAGS, i))
			change_flags(i);
		take(i, NUMBERED_PIO_OUT, value, size, FAULT_PIO_OUT_LOST,
		     FAULT_PIO_OUT_TWICE);
	} else if (port == PORT_NUMBERED_ACK) {
		take_once(i, NUMBERED_ACK, value, size);
		set_line(i, 0);
		host(i)->lowered++;
	} else if (port == PORT_NUMBERED_ARMED) {
		stop_timer(i);
	} else if (kick_port(i, port)) {
		take_once(i, NUMBERED_MISSED_PIO, value ^ MISSED_PIO, size);
	} else if (coalesced_of(port, true, &of) && of == i) {
		host(i)->overflows++;
		take_coalesced(i, true, data, size);
	} else if (port == PORT_SYNC) {
		end_round(i, value);
	} else if (port == PORT_FAIL) {
		guest_failed(i, value);
	} else {
		failed(i, "writes 0x%llx to port 0x%x", (unsigned long long)value, port);
	}
}

static void port_exit(int i)
{
	struct kvm_run *run = me.of[i].v->run;
	char *data = (char *)run + run->io.data_offset;
	uint32_t k;

	for (k = 0; k < run->io.count; k++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			port_out(i, run->io.port, data, run->io.size);
		else if (run->io.port == PORT_NUMBERED_IN)
			give(i, NUMBERED_PIO_IN, data, run->io.size, FAULT_PIO_IN_TWICE);
		else
			failed(i, "reads port 0x%x", run->io.port);
	}
	if (run->io.port == PORT_NUMBERED_IN && wrong(FAULT_FPU, i))
		change_fpu(i);
}

static void mmio_exit(int i)
{
	struct kvm_run *run = me.of[i].v->run;
	uint64_t gpa = run->mmio.phys_addr,
		 value = value_of(run->mmio.data, run->mmio.len);
	bool border = gpa == NUMBERED_BORDER || gpa == NUMBERED_BORDER + 4;
	unsigned int size = run->mmio.len;
	int of;

	if (!run->mmio.is_write && (gpa == NUMBERED_MMIO_IN || border)) {
		give(i, NUMBERED_MMIO_READ, run->mmio.data, size, FAULT_MMIO_READ_TWICE);
	} else if (run->mmio.is_write &&
		   (gpa == NUMBERED_MMIO_OUT || gpa == NUMBERED_ROM || border)) {
		take(i, NUMBERED_MMIO_WRITE, value, size, FAULT_MMIO_WRITE_LOST,
		     FAULT_MMIO_WRITE_TWICE);
	} else if (run->mmio.is_write &&
		   gpa == NUMBERED_KICK_MMIO + i * NUMBERED_KICK_SIZE + KICK_QUEUE_AT) {
		/* The number has one bit less than the access. */
		uint64_t want = me.of[i].number[NUMBERED_MISSED_MMIO] + 1;

		if (value != (uint16_t)(want | MISSED_MMIO))
			failed(i, "%s 0x%llx, wanted 0x%llx",
			       names_of[NUMBERED_MISSED_MMIO], (unsigned long long)value,
			       (unsigned long long)(want | MISSED_MMIO));
		me.of[i].number[NUMBERED_MISSED_MMIO] = want;
	} else if (run->mmio.is_write && coalesced_of(gpa, false, &of) && of == i) {
		host(i)->overflows++;
		take_coalesced(i, false, run->mmio.data, size);
	} else {
		failed(i, "%s %u bytes at 0x%llx: 0x%llx",
		       run->mmio.is_write ? "writes" : "reads", size,
		       (unsigned long long)gpa, (unsigned long long)value);
	}
}

static void msr_exit(int i, bool write)
{
	struct kvm_run *run = me.of[i].v->run;
	uint64_t value = run->msr.data;

	if (run->msr.index != (write ? MSR_NUMBERED_OUT : MSR_NUMBERED_IN))
		failed(i, "%s MSR 0x%x", write ? "writes" : "reads", run->msr.index);
	run->msr.error = 0;
	if (write) {
		take(i, NUMBERED_MSR_WRITE, value, sizeof(value), FAULT_MSR_WRITE_LOST,
		     FAULT_NONE);
	} else {
		give(i, NUMBERED_MSR_READ, &value, sizeof(value), FAULT_MSR_READ_TWICE);
		run->msr.data = value;
	}
}

static void look_at_exit(int i)
{
	struct kvm_run *run = me.of[i].v->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		port_exit(i);
		break;
	case KVM_EXIT_MMIO:
		mmio_exit(i);
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		msr_exit(i, run->exit_reason == KVM_EXIT_X86_WRMSR);
		break;
	case KVM_EXIT_SHUTDOWN:
		failed(i, "triple fault at %s", names_of[guest(i)->at % NUMBERED_WHATS]);
	case KVM_EXIT_INTERNAL_ERROR:
		failed(i, "internal error %u at %s", run->internal.suberror,
		       names_of[guest(i)->at % NUMBERED_WHATS]);
	case KVM_EXIT_FAIL_ENTRY:
		failed(i, "entry failed, 0x%llx",
		       (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	default:
		failed(i, "exit %u", run->exit_reason);
	}
}

static void kicked(int sig)
{
	(void)sig;
	if (my_run)
		my_run->immediate_exit = 1;
}

static void *vcpu_thread(void *arg)
{
	int i = (long)arg, r;
	struct vcpu *v = me.of[i].v;

	my_run = v->run;
	__atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		r = xioctl_value(v->fd, KVM_RUN, 0);
		drain_ring(i);
		if (r == -EINTR || r == -EAGAIN) {
			v->run->immediate_exit = 0;
			host(i)->interrupted++;
			continue;
		}
		if (r < 0)
			failed(i, "KVM_RUN: %s", strerror(-r));
		look_at_exit(i);
		/* What was answered is taken, and no more, as when a signal comes now. */
		if (host(i)->exits++ % INTERRUPT == 0)
			v->run->immediate_exit = 1;
	}
	return NULL;
}

/* ---- the main thread ---------------------------------------------------------------- */

static bool all_parked(void)
{
	int i;

	for (i = 0; i < me.n->options.vcpus; i++)
		if (!me.of[i].parked)
			return false;
	return true;
}

/* Each vCPU does a round now and then. */
static void look_whether_they_go_on(void)
{
	static uint64_t rounds[NUMBERED_VCPUS], since[NUMBERED_VCPUS];
	uint64_t time = now();
	int i;

	for (i = 0; i < me.n->options.vcpus; i++) {
		volatile struct numbered_guest *g = guest(i);

		if (!since[i] || rounds[i] != g->rounds) {
			rounds[i] = g->rounds;
			since[i] = time;
		}
		if (time - since[i] > 1000 * MS * (me.n->options.still ?: 30))
			failed(i, "stands still at %s in round %llu",
			       names_of[g->at % NUMBERED_WHATS],
			       (unsigned long long)g->rounds);
	}
}

static void end_if_asked(void)
{
	int i;

	if (me.n->stop)
		quiet = true;
	if (silent)
		parking = true;
	if (!parking || !all_parked())
		return;
	for (i = 0; i < me.n->options.vcpus; i++) {
		check_kicks(i);
		compare_numbers(i);
		if (me.sources & 1 << SOURCE_LINE &&
		    me.of[i].number[NUMBERED_ACK] != host(i)->sent[SOURCE_LINE])
			failed(i, "KVM_IRQ_LINE: %llu sent, %llu acknowledged",
			       (unsigned long long)host(i)->sent[SOURCE_LINE],
			       (unsigned long long)me.of[i].number[NUMBERED_ACK]);
	}
	me.n->state = STATE_ENDED;
	_exit(0);
}

__attribute__((noreturn)) static void wait_for_end(void)
{
	unsigned int turn;
	int i;

	for (turn = 1;; turn++) {
		sleep_ms(KICK_MS);
		i = turn % me.n->options.vcpus;
		if (!me.of[i].parked) {
			host(i)->kicked++;
			pthread_kill(me.of[i].thread, SIGUSR1);
		}
		if (turn % STATS_EVERY == 0 && !numbered_stats_are_right(&me))
			failed(-1, "the files of statistics are of something else");
		look_whether_they_go_on();
		end_if_asked();
	}
}

static void start_thread(pthread_t *thread, void *(*run)(void *), long arg)
{
	int r = pthread_create(thread, NULL, run, (void *)arg);

	if (r)
		failed(-1, "starting a thread: %s", strerror(r));
}

void numbered_vmm(struct numbered *n)
{
	struct sigaction sa = { .sa_handler = kicked }; /* no SA_RESTART */
	const char *step;
	pthread_t io;
	int i, r;

	me.n = n;
	r = numbered_make(&me, &step);
	if (r < 0)
		failed(-1, "making %s: %s", step, strerror(-r));
	r = numbered_jail(n->options.flags);
	if (r < 0)
		failed(-1, "being jailed: %s", strerror(-r));
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* changing the user takes it away */
	sigaction(SIGUSR1, &sa, NULL);
	start_thread(&io, io_thread, 0);
	for (i = 0; i < n->options.vcpus; i++)
		start_thread(&me.of[i].thread, vcpu_thread, i);
	while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) < n->options.vcpus + 1)
		sleep_ms(1); /* what starts a thread is not in the filter */
	r = n->options.flags & NUMBERED_SECCOMP ? numbered_filter() : 0;
	if (r < 0)
		failed(-1, "filtering system calls: %s", strerror(-r));
	n->state = STATE_RUNNING;
	wait_for_end();
}
