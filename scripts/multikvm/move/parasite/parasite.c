// SPDX-License-Identifier: GPL-2.0-only
/*
 * parasite.c - what a move executes inside a VMM, see parasite.h. It calls nothing, has no
 * variables and leaves the FPU alone; parasite.lds and the Makefile see to that.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "parasite.h"

_Static_assert(offsetof(struct slot, mask) == SLOT_MASK, "entry.S");
_Static_assert(offsetof(struct slot, leave) == SLOT_LEAVE, "entry.S");
_Static_assert(sizeof(struct slot) == SLOT_STACK, "entry.S");
_Static_assert(offsetof(struct parasite, stack) == PARASITE_STACK, "entry.S");
_Static_assert(offsetof(struct parasite, cloned) == PARASITE_CLONED, "entry.S");

#define MS	     1000000ULL
#define MSRS_AT_ONCE 255

/* entry.S calls these. */
uint64_t park(struct parasite *p, struct slot *slot, int64_t result);
__attribute__((noreturn)) void helper(struct parasite *p);

static long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return result;
}

static uint64_t now(void)
{
	struct timespec time = { 0 };

	call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&time, 0, 0, 0, 0);
	return time.tv_sec * 1000 * MS + time.tv_nsec;
}

static uint32_t phase_of(struct parasite *p)
{
	return __atomic_load_n(&p->phase, __ATOMIC_SEQ_CST);
}

/* Out of PHASE_OPEN; false if somebody else was first. */
static bool phase_take(struct parasite *p, uint32_t phase)
{
	uint32_t open = PHASE_OPEN;

	return __atomic_compare_exchange_n(&p->phase, &open, phase, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void wake_parked(struct parasite *p)
{
	uint64_t one = 1;

	call(SYS_write, p->wake, (long)&one, sizeof(one), 0, 0, 0);
}

/*
 * ppoll(), since poll(), futex() and nanosleep() replace what the kernel knows of an interrupted
 * call of this thread, which it is to go on with.
 */
static bool wait_for(int fd, uint64_t ns)
{
	struct timespec time = { ns / (1000 * MS), ns % (1000 * MS) };
	struct pollfd poll = { .fd = fd, .events = POLLIN };

	return call(SYS_ppoll, (long)&poll, 1, (long)&time, 0, 0, 0) > 0;
}

/*
 * Only threads whose guard was killed come here. Returns the code that gives the thread its
 * registers and its signals back. A call that any signal ends must not start again if one waits:
 * its handler runs before the call does.
 */
uint64_t park(struct parasite *p, struct slot *slot, int64_t result)
{
	uint64_t time, signals = 0;
	uint32_t phase;

	while ((phase = phase_of(p)) <= PHASE_CRITICAL) {
		time = now();
		if (phase == PHASE_OPEN && time >= p->deadline) {
			if (phase_take(p, PHASE_ABANDONED))
				wake_parked(p);
		} else {
			wait_for(p->wake,
				 phase == PHASE_OPEN ? p->deadline - time : 1000 * MS);
		}
	}
	call(SYS_rt_sigpending, (long)&signals, sizeof(signals), 0, 0, 0, 0);
	if (slot->restarts && result == -EINTR)
		return slot->leave_eintr;
	return slot->nohand && signals & ~slot->mask ? slot->leave_eintr : slot->leave;
}

static bool forget(struct parasite *p, uint64_t number, uint64_t argument)
{
	uint32_t i;

	for (i = 0; i < p->n_undo; i++)
		if (p->undo[i].number == number && p->undo[i].argument[0] == argument) {
			p->undo[i].number = 0;
			return true;
		}
	return false;
}

static void undo_all(struct parasite *p)
{
	struct undone *last;

	while (p->n_undo) {
		last = &p->undo[--p->n_undo];
		if (last->number)
			call(last->number, last->argument[0], last->argument[1], 0, 0, 0,
			     0);
	}
}

static void made(struct parasite *p, struct step *step)
{
	struct undone *next = &p->undo[p->n_undo];

	if (step->undo == UNDO_NOTHING || step->result < 0)
		return;
	next->number = step->undo == UNDO_CLOSE ? SYS_close : SYS_munmap;
	next->argument[0] = step->result;
	next->argument[1] = step->argument[1];
	p->n_undo++;
}

static int64_t do_call(struct parasite *p, struct step *step)
{
	uint64_t *a = step->argument;

	if (step->undo != UNDO_NOTHING && p->n_undo == PARASITE_UNDO)
		return -ENOSPC;
	do {
		step->result = call(step->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	} while (step->result ==
		 -EINTR); /* no signal can have come: it was a ptrace stop */
	made(p, step);
	return step->result;
}

/* Of those KVM keeps no more on Intel (vmx_segment_access_rights()). */
static void clear_unusable(struct kvm_segment *segment, uint64_t n)
{
	for (; n; n--, segment++) {
		if (!segment->unusable)
			continue;
		segment->type = segment->present = segment->dpl = segment->db = 0;
		segment->s = segment->l = segment->g = segment->avl = 0;
	}
}

/* The offset of the first difference, or -1. */
static int64_t difference(const uint8_t *one, const uint8_t *other, uint64_t size)
{
	uint64_t i = 0;

	while (i + 8 <= size &&
	       *(const uint64_t *)(one + i) == *(const uint64_t *)(other + i))
		i += 8;
	for (; i < size; i++)
		if (one[i] != other[i])
			return i;
	return -1;
}

static void copy(void *to, const void *from, uint64_t size)
{
	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/*
 * KVM stops at the first MSR that it refuses, and takes no more than 255 at once. This goes on
 * behind: the head of the rest lies over the value before it, which is put back. Returns the
 * number of the first that was left out, from 1 on, or 0.
 */
static int64_t do_msrs(struct step *step)
{
	struct kvm_msrs *all = (struct kvm_msrs *)step->argument[2], *rest, saved;
	uint32_t n = all->nmsrs, done = 0, some, first = 0;
	int64_t result;

	while (done < n) {
		some = n - done < MSRS_AT_ONCE ? n - done : MSRS_AT_ONCE;
		rest = done ? (struct kvm_msrs *)&all->entries[done - 1].data : all;
		copy(&saved, rest, sizeof(saved));
		rest->nmsrs = some;
		rest->pad = 0;
		result = call(SYS_ioctl, step->argument[0], step->argument[1], (long)rest,
			      0, 0, 0);
		copy(rest, &saved, sizeof(saved));
		if (result < 0 || result > some)
			return result < 0 ? result : -EIO;
		done += result;
		if (result == some)
			continue;
		all->entries[done++].reserved = MSR_LEFT_OUT;
		if (!first)
			first = done;
	}
	return first;
}

/* Whether the program may go on. */
static bool execute(struct parasite *p, struct step *step)
{
	uint64_t *a = step->argument;

	switch (step->kind) {
	case STEP_CALL:
		step->result = do_call(p, step);
		break;
	case STEP_SAME:
		step->result = difference((void *)a[0], (void *)a[1], a[2]);
		return step->want == WANT_ANY || step->result < 0;
	case STEP_COPY:
		copy((void *)a[0], (void *)a[1], a[2]);
		return true;
	case STEP_AND:
		*(uint32_t *)a[0] &= a[1];
		return true;
	case STEP_INSTEAD:
		if (*(uint32_t *)a[1])
			*(uint32_t *)a[0] = *(uint32_t *)a[1] & a[2];
		return true;
	case STEP_SEGMENTS:
		clear_unusable((struct kvm_segment *)a[0], a[1]);
		return true;
	case STEP_CLOCK:
		*(uint64_t *)a[0] = now();
		return true;
	case STEP_DEADLINE:
		step->result = now();
		return (uint64_t)step->result <= a[0];
	case STEP_MSRS:
		step->result = do_msrs(step);
		break;
	case STEP_FORGET:
		step->result = forget(p, a[0], a[1]);
		return true;
	default:
		step->result = -EINVAL;
		return false;
	}
	if (step->want == WANT_SUCCESS)
		return step->result >= 0;
	return step->want == WANT_ANY || step->result == step->value;
}

/* Index of the step that failed, or -1. `all`: a failure does not end it. */
static int32_t run(struct parasite *p, struct step *steps, uint32_t n, bool all)
{
	int32_t failed = -1;
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (execute(p, &steps[i]))
			continue;
		if (failed < 0)
			failed = i;
		if (!all)
			break;
	}
	return failed;
}

/* The critical phase. Whatever becomes of the guard, it ends. */
static void run_critical(struct parasite *p, struct order *order, struct answer *answer)
{
	struct step *steps = (struct step *)order->program;
	uint32_t end = PHASE_SWITCHED;

	answer->began = now();
	if (!phase_take(p, PHASE_CRITICAL)) {
		answer->phase = phase_of(p);
		return;
	}
	answer->failed = run(p, steps, order->n, false);
	if (answer->failed >= 0) {
		end = PHASE_BACK;
		answer->result = steps[answer->failed].result;
		if (answer->failed > 0)
			answer->failed_back = run(p, (struct step *)order->back,
						  order->n_back, true);
	}
	__atomic_store_n(&p->phase, end, __ATOMIC_SEQ_CST);
	wake_parked(p);
	answer->phase = end;
	answer->ended = now();
}

/* 0, or -errno. The guard takes its end of the socket by pidfd_getfd(). */
static int open_channel(struct parasite *p)
{
	int ends[2];
	long err;

	err = call(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (long)ends,
		   0, 0);
	if (err)
		return err;
	p->socket = ends[0];
	p->peer = ends[1];
	p->wake = call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0, 0, 0, 0);
	if (p->wake >= 0)
		return 0;
	call(SYS_close, p->socket, 0, 0, 0, 0, 0);
	call(SYS_close, p->peer, 0, 0, 0, 0, 0);
	return p->wake;
}

/* What recvmsg() said; *fd is that which came with the order, or -1. */
static long receive(struct parasite *p, struct order *order, int *fd)
{
	union {
		struct cmsghdr head;
		uint8_t space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { order, sizeof(*order) };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	long got;

	*fd = -1;
	do {
		got = call(SYS_recvmsg, p->socket, (long)&message, MSG_CMSG_CLOEXEC, 0, 0,
			   0);
	} while (got == -EINTR);
	if (got > 0 && message.msg_controllen >= CMSG_LEN(sizeof(int)) &&
	    control.head.cmsg_type == SCM_RIGHTS)
		*fd = *(int *)CMSG_DATA(&control.head);
	return got;
}

static bool slots_are_used(struct parasite *p)
{
	struct slot *slots = (struct slot *)p->slots;
	uint32_t i;

	for (i = 0; i < p->n_slots; i++)
		if (__atomic_load_n(&slots[i].used, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

/*
 * A guard that was killed may have left threads in the code. Each says when it has its signals
 * again: then it has some ten instructions to go, or a handler and those, for which it has a
 * second. One that never says so, since its handler does not return or since it was not diverted
 * yet, keeps the code.
 */
static bool code_is_used(struct parasite *p)
{
	uint64_t until = now() + 5000 * MS;

	if (!slots_are_used(p))
		return false;
	while (slots_are_used(p)) {
		if (now() > until)
			return true;
		wait_for(-1, 20 * MS);
	}
	wait_for(-1, 1000 * MS);
	return false;
}

/* The thread that helps is over, and all that it had, but for code that somebody may still need. */
static void end(struct parasite *p)
{
	uint64_t where = p->end, base = p->base, size = p->size;

	undo_all(p);
	call(SYS_close, p->socket, 0, 0, 0, 0, 0);
	if (p->peer >= 0)
		call(SYS_close, p->peer, 0, 0, 0, 0, 0);
	/* From here on it is in no other move's way. */
	__atomic_store_n(&p->ready, 0, __ATOMIC_SEQ_CST);
	if (where && !code_is_used(p)) {
		call(SYS_close, p->wake, 0, 0, 0, 0, 0);
		asm volatile("jmp *%[where]"
			     :
			     : "a"(SYS_munmap), "D"(base), "S"(size), [where] "r"(where)
			     : "memory");
	}
	call(SYS_exit, 0, 0, 0, 0, 0, 0);
}

/*
 * The helper. The VMM's filters of system calls hold for it as soon as it has no guard, and most
 * kill the VMM for a call that they do not know: in a VMM that has filters (keep_open) it then
 * waits for ever, in a call that it is in already, until the next move ends it. Otherwise it
 * finds that the guard is gone and tidies up.
 */
void helper(struct parasite *p)
{
	struct order order;
	struct answer answer;

	__atomic_store_n(&p->ready, open_channel(p) ?: 1, __ATOMIC_SEQ_CST);
	while (p->ready == 1) {
		answer = (struct answer){ .failed = -1, .failed_back = -1 };
		/* Until the guard has taken its end of the socket, its own end would be that. */
		if (!p->keep_open && p->peer >= 0 && !wait_for(p->socket, 2000 * MS))
			break;
		if (receive(p, &order, &answer.fd) != sizeof(order) ||
		    order.kind == ORDER_END)
			break;
		answer.number = order.number;
		if (!p->keep_open && p->peer >= 0) {
			call(SYS_close, p->peer, 0, 0, 0, 0, 0);
			p->peer = -1;
		}
		if (answer.fd >= 0) {
			struct step got = { .undo = UNDO_CLOSE, .result = answer.fd };

			made(p, &got);
		}
		if (order.kind == ORDER_SWITCH) {
			run_critical(p, &order, &answer);
		} else {
			struct step *steps = (struct step *)order.program;

			answer.failed = run(p, steps, order.n, false);
			if (answer.failed >= 0)
				answer.result = steps[answer.failed].result;
			answer.phase = phase_of(p);
		}
		call(SYS_sendto, p->socket, (long)&answer, sizeof(answer),
		     MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
	}
	if (phase_take(p, PHASE_ABANDONED))
		wake_parked(p);
	end(p);
	for (;;)
		;
}
