// SPDX-License-Identifier: GPL-2.0-only
/* The process of numbered.h: its vCPUs' threads, what they answer and what they check, and its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "numbered_me.h"

#define PAGE_SIZE GUEST_PAGE /* for KVM_COALESCED_MMIO_MAX */

#define KICK_MS	    5	/* between signals to vCPUs */
#define STATS_EVERY 20	/* of these */
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

struct numbered_vmm numbered_me = {
	.kick_lock = PTHREAD_MUTEX_INITIALIZER,
	.ring_lock = PTHREAD_MUTEX_INITIALIZER,
};
static __thread struct kvm_run *my_run;

/* ---- numbers ----------------------------------------------------------------------- */

static uint64_t low(uint64_t v, unsigned int size)
{
	return size < 8 ? v & ((1ULL << 8 * size) - 1) : v;
}

/* The guest gave a number. */
static void take_once(int i, enum numbered_what what, uint64_t got, unsigned int size)
{
	uint64_t want = me->of[i].number[what] + 1;

	if (low(want, size) != got)
		failed(i, "%s %llu, wanted %llu (%u bytes)", names_of[what],
		       (unsigned long long)got, (unsigned long long)low(want, size),
		       size);
	me->of[i].number[what] = want;
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
		me->of[i].number[what]++;
	n = me->of[i].number[what];
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

	ring = (void *)((char *)me->of[by].v->run + me->ring_page * GUEST_PAGE);
	pthread_mutex_lock(&me->ring_lock);
	while (ring->first != *(volatile uint32_t *)&ring->last) {
		struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[ring->first];

		__sync_synchronize();
		if (!coalesced_of(e->phys_addr, e->pio, &i) || i >= me->n->options.vcpus)
			failed(by, "coalesced write to 0x%llx",
			       (unsigned long long)e->phys_addr);
		take_coalesced(i, e->pio, e->data, e->len);
		__sync_synchronize();
		ring->first = (ring->first + 1) % KVM_COALESCED_MMIO_MAX;
	}
	pthread_mutex_unlock(&me->ring_lock);
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
		uint64_t mine = me->of[i].number[both[k]],
			 its = guest(i)->number[both[k]];

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
	me->of[i].parked = true;
	for (;;)
		sleep_ms(1000);
}

/* The end of a round: nothing of this vCPU is on its way but interrupts. */
static void end_round(int i, uint64_t round)
{
	if ((uint32_t)guest(i)->rounds != round)
		failed(i, "round %llu ends, the guest is in %llu",
		       (unsigned long long)round, (unsigned long long)guest(i)->rounds);
	numbered_check_kicks(i);
	compare_numbers(i);
	compare_clocks(i);
	numbered_round_fault(i, round);
	if (me->parking || wrong(FAULT_HALT, i))
		park(i);
}

static void guest_failed(int i, uint32_t value)
{
	unsigned long long want = me->of[i].v->area->want, got = me->of[i].v->area->got;
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
		numbered_flags_fault(i);
		take(i, NUMBERED_PIO_OUT, value, size, FAULT_PIO_OUT_LOST,
		     FAULT_PIO_OUT_TWICE);
	} else if (port == PORT_NUMBERED_ACK) {
		take_once(i, NUMBERED_ACK, value, size);
		numbered_set_line(i, 0);
		host(i)->lowered++;
	} else if (port == PORT_NUMBERED_ARMED) {
		numbered_timer_fault(i);
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
	struct kvm_run *run = me->of[i].v->run;
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
	if (run->io.port == PORT_NUMBERED_IN)
		numbered_fpu_fault(i);
}

static void mmio_exit(int i)
{
	struct kvm_run *run = me->of[i].v->run;
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
		uint64_t want = me->of[i].number[NUMBERED_MISSED_MMIO] + 1;

		if (value != (uint16_t)(want | MISSED_MMIO))
			failed(i, "%s 0x%llx, wanted 0x%llx",
			       names_of[NUMBERED_MISSED_MMIO], (unsigned long long)value,
			       (unsigned long long)(want | MISSED_MMIO));
		me->of[i].number[NUMBERED_MISSED_MMIO] = want;
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
	struct kvm_run *run = me->of[i].v->run;
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
	struct kvm_run *run = me->of[i].v->run;

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
	struct vcpu *v = me->of[i].v;

	my_run = v->run;
	__atomic_add_fetch(&me->begun, 1, __ATOMIC_SEQ_CST);
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

	for (i = 0; i < me->n->options.vcpus; i++)
		if (!me->of[i].parked)
			return false;
	return true;
}

/* Each vCPU does a round now and then. */
static void look_whether_they_go_on(void)
{
	static uint64_t rounds[NUMBERED_VCPUS], since[NUMBERED_VCPUS];
	uint64_t time = now();
	int i;

	for (i = 0; i < me->n->options.vcpus; i++) {
		volatile struct numbered_guest *g = guest(i);

		if (!since[i] || rounds[i] != g->rounds) {
			rounds[i] = g->rounds;
			since[i] = time;
		}
		if (time - since[i] > 1000 * MS * (me->n->options.still ?: 30))
			failed(i, "stands still at %s in round %llu",
			       names_of[g->at % NUMBERED_WHATS],
			       (unsigned long long)g->rounds);
	}
}

static void end_if_asked(void)
{
	int i;

	if (me->n->stop)
		me->quiet = true;
	if (me->silent)
		me->parking = true;
	if (!me->parking || !all_parked())
		return;
	for (i = 0; i < me->n->options.vcpus; i++) {
		numbered_check_kicks(i);
		compare_numbers(i);
		if (me->sources & 1 << SOURCE_LINE &&
		    me->of[i].number[NUMBERED_ACK] != host(i)->sent[SOURCE_LINE])
			failed(i, "KVM_IRQ_LINE: %llu sent, %llu acknowledged",
			       (unsigned long long)host(i)->sent[SOURCE_LINE],
			       (unsigned long long)me->of[i].number[NUMBERED_ACK]);
	}
	me->n->state = STATE_ENDED;
	_exit(0);
}

__attribute__((noreturn)) static void wait_for_end(void)
{
	unsigned int turn;
	int i;

	for (turn = 1;; turn++) {
		sleep_ms(KICK_MS);
		i = turn % me->n->options.vcpus;
		if (!me->of[i].parked) {
			host(i)->kicked++;
			pthread_kill(me->of[i].thread, SIGUSR1);
		}
		if (turn % STATS_EVERY == 0 && !numbered_stats_are_right(me))
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

	me->n = n;
	r = numbered_make(me, &step);
	if (r < 0)
		failed(-1, "making %s: %s", step, strerror(-r));
	r = numbered_jail(n->options.flags);
	if (r < 0)
		failed(-1, "being jailed: %s", strerror(-r));
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* changing the user takes it away */
	sigaction(SIGUSR1, &sa, NULL);
	start_thread(&io, numbered_io_thread, 0);
	for (i = 0; i < n->options.vcpus; i++)
		start_thread(&me->of[i].thread, vcpu_thread, i);
	while (__atomic_load_n(&me->begun, __ATOMIC_SEQ_CST) < n->options.vcpus + 1)
		sleep_ms(1); /* what starts a thread is not in the filter */
	r = n->options.flags & NUMBERED_SECCOMP ? numbered_filter() : 0;
	if (r < 0)
		failed(-1, "filtering system calls: %s", strerror(-r));
	n->state = STATE_RUNNING;
	wait_for_end();
}
