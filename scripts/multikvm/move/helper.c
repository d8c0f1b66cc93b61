// SPDX-License-Identifier: GPL-2.0-only
/*
 * helper.c - the helper in the process: orders to it, and its answers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define LATE (2000 * MS) /* for what is due */

static int gone(struct target *target)
{
	return target_fail(target, NOT_FOUND, "process %d has ended", target->pid);
}

static bool exists(pid_t pid, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, tid);
	return !access(path, F_OK);
}

static int stuck(struct target *target)
{
	return target_fail(
		target, SYSTEM,
		"process %d does not go on with the move\n"
		"next: see whether it is stopped or has no CPU time, then the same "
		"again",
		target->pid);
}

/* The process has the other end of the socket, too, and may leave it full: -EBUSY. */
static int put(struct target *target, const struct order *order, int fd, uint64_t until)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { (void *)order, sizeof(*order) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int err;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	instant();
	while (sendmsg(target->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) !=
	       sizeof(*order)) {
		if (errno != EAGAIN && errno != EINTR)
			return gone(target);
		err = threads_wait(target, now_ns() + MS);
		if (err && err != -ETIMEDOUT)
			return err;
		if (now_ns() > until)
			return -EBUSY;
	}
	instant();
	return 0;
}

static bool is_index(int32_t index, uint32_t n)
{
	return index == -1 || (index >= 0 && (uint32_t)index < n);
}

static int no_helper(struct target *target)
{
	return target_fail(target, REFUSED,
			   "process %d gives an answer that no helper gives\n"
			   "next: do not trust its VMM",
			   target->pid);
}

/* -EAGAIN: there is none yet, -EPIPE: none comes. What the process gives may be anything. */
static int take(struct target *target, const struct order *order, struct answer *answer)
{
	ssize_t got = recv(target->socket, answer, sizeof(*answer), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (got != sizeof(*answer))
		return -EPIPE;
	if (answer->number != order->number)
		return -EAGAIN; /* of an order for which nobody waits any more */
	if (!is_index(answer->failed, order->n) ||
	    !is_index(answer->failed_back, order->n_back) ||
	    answer->phase > PHASE_ABANDONED)
		return no_helper(target);
	if (order->kind == ORDER_SWITCH &&
	    (answer->phase <= PHASE_CRITICAL ||
	     (answer->phase == PHASE_BACK) != (answer->failed >= 0)))
		return no_helper(target);
	return 0;
}

int helper_ask(struct target *target, const struct order *what, int fd,
	       struct answer *answer, uint64_t until)
{
	struct pollfd poll_answer = { .fd = target->socket, .events = POLLIN };
	struct order order = *what;
	int err;

	order.number = ++target->orders;
	err = put(target, &order, fd, until);
	while (!err) {
		if (poll(&poll_answer, 1, 1) > 0) {
			err = take(target, &order, answer);
			if (err != -EAGAIN)
				break;
		}
		err = threads_wait(target, now_ns());
		if (err == -ETIMEDOUT)
			err = 0;
		if (!exists(target->pid, target->helper))
			return gone(target);
		if (!err && now_ns() > until)
			return -EBUSY;
	}
	instant();
	return err == -EPIPE ? gone(target) : err;
}

int helper_order(struct target *target, const struct order *order, int fd,
		 struct answer *answer, uint64_t until)
{
	int err = helper_ask(target, order, fd, answer, until);

	return err == -EBUSY ? stuck(target) : err;
}

/*
 * What a switch is known to have come to by what the process says of its phase. -EAGAIN: it may
 * yet change something. A helper that has not begun by the deadline does not: its first step sees
 * that it is late.
 */
static int settled(struct target *target, struct answer *answer, uint64_t *since)
{
	uint64_t time = now_ns();
	uint32_t phase;

	if (!target_peek(target, target->data + offsetof(struct parasite, phase), &phase,
			 sizeof(phase)))
		return gone(target);
	if (phase > PHASE_ABANDONED)
		return no_helper(target);
	if (phase == PHASE_OPEN) {
		if (!exists(target->pid, target->helper))
			return gone(target);
		return time > target->image->deadline + LATE ? stuck(target) : -EAGAIN;
	}
	if (phase == PHASE_CRITICAL)
		return exists(target->pid, target->helper) ? -EAGAIN : gone(target);
	/* It is over. The answer says more, and comes now if at all. */
	if (!*since)
		*since = time;
	if (time < *since + LATE)
		return -EAGAIN;
	*answer = (struct answer){ .failed = -1, .failed_back = -1, .phase = phase };
	return phase == PHASE_BACK ? stuck(target) : 0;
}

/*
 * The critical phase. As long as the helper may change anything the threads must stand: it may be
 * stopped by a signal or for lack of memory, and then go on. So neither time nor what threads do
 * ends this, but what the helper says, or the end of the process.
 */
int helper_switch(struct target *target, const struct order *what, struct answer *answer)
{
	struct pollfd poll_answer = { .fd = target->socket, .events = POLLIN };
	struct order order = *what;
	uint64_t since = 0;
	int err;

	order.number = ++target->orders;
	err = put(target, &order, -1, now_ns() + LATE);
	if (err)
		return err == -EBUSY ? stuck(target) : err;
	do {
		err = -EAGAIN;
		if (poll(&poll_answer, 1, 1) > 0)
			err = take(target, &order, answer);
		if (err == -EPIPE)
			err = -EAGAIN;
		if (err == -EAGAIN) {
			threads_wait(target, now_ns() + MS / 10);
			err = settled(target, answer, &since);
		}
	} while (err == -EAGAIN);
	instant();
	return err;
}

/* A file of the process, which says itself which one it is. */
int helper_take_socket(struct target *target, int fd)
{
	int domain = 0, type = 0, socket;
	socklen_t size = sizeof(type);

	socket = syscall(SYS_pidfd_getfd, target->pidfd, fd, 0);
	if (socket < 0)
		return target_fail(target, SYSTEM, "cannot take a file of process %d: %s",
				   target->pid, strerror(errno));
	if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) ||
	    getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) || domain != AF_UNIX ||
	    type != SOCK_SEQPACKET) {
		close(socket);
		return target_fail(target, REFUSED,
				   "process %d gives a file that no helper gives\n"
				   "next: do not trust its VMM",
				   target->pid);
	}
	target->socket = socket;
	return 0;
}

/* By the first order the helper knows that the guard has its end of the socket. */
int helper_connect(struct target *target, uint64_t until)
{
	struct {
		int32_t ready, socket, peer;
	} there;
	struct order hello = { .kind = ORDER_RUN };
	struct answer answer;
	int err;

	for (;;) {
		err = target_read(target, target->data + offsetof(struct parasite, ready),
				  &there, sizeof(there));
		if (err)
			return err;
		if (there.ready)
			break;
		if (now_ns() > until)
			return target_fail(
				target, SYSTEM,
				"the thread for the move in process %d does not begin",
				target->pid);
		threads_wait(target, now_ns() + MS / 20);
	}
	if (there.ready < 0)
		return target_fail(target, REFUSED,
				   "process %d may not open more files: %s\n"
				   "next: prlimit --pid %d --nofile",
				   target->pid, strerror(-there.ready), target->pid);
	err = helper_take_socket(target, there.peer);
	if (err)
		return err;
	return helper_order(target, &hello, -1, &answer, until);
}

int helper_end(struct target *target, uint64_t until)
{
	struct order order = { .kind = ORDER_END };
	int err = put(target, &order, -1, until);

	while (!err && exists(target->pid, target->helper)) {
		threads_wait(target, now_ns() + MS);
		if (now_ns() > until)
			err = target_fail(
				target, SYSTEM,
				"the thread for the move in process %d does not end",
				target->pid);
	}
	return err == -EBUSY ? stuck(target) : err;
}
