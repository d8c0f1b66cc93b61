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

static int put(struct target *target, const struct order *order, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { (void *)order, sizeof(*order) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	instant();
	if (sendmsg(target->socket, &message, MSG_NOSIGNAL) != sizeof(*order))
		return gone(target);
	instant();
	return 0;
}

int helper_order(struct target *target, const struct order *order, int fd,
		 struct answer *answer, uint64_t until)
{
	struct pollfd poll_answer = { .fd = target->socket, .events = POLLIN };
	int err = put(target, order, fd), ready = 0;

	while (!err && !(ready = poll(&poll_answer, 1, 1))) {
		err = threads_wait(target, now_ns());
		if (err == -ETIMEDOUT)
			err = 0;
		if (!exists(target->pid, target->helper))
			return gone(target);
		if (!err && now_ns() > until)
			return target_fail(target, SYSTEM,
					   "process %d does not go on with the move",
					   target->pid);
	}
	if (err)
		return err;
	if (ready < 0 || recv(target->socket, answer, sizeof(*answer), MSG_DONTWAIT) !=
				 sizeof(*answer))
		return gone(target);
	instant();
	return 0;
}

/* By the first order the helper knows that the guard has its end of the socket. */
int helper_connect(struct target *target, uint64_t until)
{
	struct parasite *image = target->image;
	struct order hello = { .kind = ORDER_RUN };
	struct answer answer;
	int err;

	for (;;) {
		err = target_read(target, target->data, image,
				  offsetof(struct parasite, undo));
		if (err)
			return err;
		if (image->ready)
			break;
		if (now_ns() > until)
			return target_fail(
				target, SYSTEM,
				"the thread for the move in process %d does not begin",
				target->pid);
		threads_wait(target, now_ns() + MS / 20);
	}
	if (image->ready < 0)
		return target_fail(target, REFUSED,
				   "process %d may not open more files: %s\n"
				   "next: prlimit --pid %d --nofile",
				   target->pid, strerror(-image->ready), target->pid);
	target->socket = syscall(SYS_pidfd_getfd, target->pidfd, image->peer, 0);
	if (target->socket < 0)
		return target_fail(target, SYSTEM, "cannot take a file of process %d: %s",
				   target->pid, strerror(errno));
	return helper_order(target, &hello, -1, &answer, until);
}

int helper_end(struct target *target, uint64_t until)
{
	struct order order = { .kind = ORDER_END };
	int err = put(target, &order, -1);

	while (!err && exists(target->pid, target->helper)) {
		threads_wait(target, now_ns() + MS);
		if (now_ns() > until)
			err = target_fail(
				target, SYSTEM,
				"the thread for the move in process %d does not end",
				target->pid);
	}
	return err;
}
