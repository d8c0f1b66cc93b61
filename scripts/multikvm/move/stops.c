// SPDX-License-Identifier: GPL-2.0-only
/*
 * stops.c - threads stop, by PTRACE_INTERRUPT: a thread then stands where the kernel would look for
 * signals, in the system call that was interrupted, if any. Let go it goes on as after a signal
 * without a handler: that call starts again with what is left of its time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/rseq.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "trace.h"

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif
#define ERESTARTNOHAND 514
#define SYSCALL_STOP   (SIGTRAP | 0x80)
#define USER_CS_32     0x23

/*
 * Calls that end with EINTR after any stop although no signal came. Those that wait without a
 * limit of time can start again, unless a handler runs: the kernel does that for others by
 * itself.
 */
static bool waits_for_ever(const struct user_regs_struct *regs)
{
	switch (regs->orig_rax) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return (int)regs->r10 == -1;
	case SYS_epoll_pwait2:
	case SYS_semtimedop:
		return !regs->r10;
	case SYS_semop:
		return true;
	case SYS_rt_sigtimedwait:
		return !regs->rdx;
	case SYS_io_getevents:
	case SYS_io_pgetevents:
		return !regs->r8;
	case SYS_io_uring_enter:
		return !(regs->r10 &
			 8); /* IORING_ENTER_EXT_ARG: a time may come with it */
	}
	return false;
}

static int look(struct target *target, struct thread *thread)
{
	struct user_regs_struct *regs = &thread->regs;
	int err;

	if (thread->diverted)
		return 0;
	err = thread_trace(PTRACE_GETREGS, thread->tid, 0, (long)regs);
	if (!err)
		err = thread_trace(PTRACE_GETSIGMASK, thread->tid, sizeof(thread->mask),
				   (long)&thread->mask);
	if (err)
		return thread_failed(target, thread->tid, "read the registers of", err);
	if (regs->cs == USER_CS_32)
		return target_fail(target, REFUSED,
				   "process %d is a 32-bit program, which is not moved",
				   target->pid);
	if ((long)regs->rax == -EINTR && waits_for_ever(regs)) {
		/* At once: if the guard is killed now, the call still starts again. */
		regs->rax = -ERESTARTNOHAND;
		err = thread_trace(PTRACE_SETREGS, thread->tid, 0, (long)regs);
	}
	return err ? thread_failed(target, thread->tid, "set the registers of", err) : 0;
}

/* The helper runs freely; a stop of the whole process is a stop of the helper as well. */
static int helper_event(struct target *target, int status)
{
	int request = PTRACE_CONT, signal = WSTOPSIG(status);

	if (!WIFSTOPPED(status)) {
		target->helper_traced = false;
		return 0;
	}
	if (status >> 16 == PTRACE_EVENT_STOP && signal != SIGTRAP)
		request = PTRACE_LISTEN;
	/* Only signals that stop come to it. */
	thread_trace(request, target->helper, 0, status >> 16 ? 0 : signal);
	return 0;
}

/* A thread that its maker's options have made ours, or another process that shares the memory. */
static int new_thread(struct target *target, pid_t tid)
{
	struct thread *thread;

	if (target_status(target->pid, tid, "Tgid", 10) != target->pid) {
		thread_trace(PTRACE_DETACH, tid, 0, 0);
		return 0;
	}
	thread = thread_add(target, tid);
	if (!thread)
		return target_fail(target, SYSTEM, "no memory");
	thread->filtered = target_status(target->pid, tid, "Seccomp", 10) > 0;
	thread->stands = true;
	return look(target, thread);
}

static int event(struct target *target, pid_t tid, int status)
{
	struct thread *thread = threads_find(target, tid);
	int kind = status >> 16, signal = WSTOPSIG(status), err;
	unsigned long made = 0;

	if (tid == target->helper)
		return helper_event(target, status);
	if (!WIFSTOPPED(status)) {
		if (thread)
			thread_forget(target, thread);
		return 0;
	}
	if (!thread)
		return new_thread(target, tid);
	if (kind == PTRACE_EVENT_STOP) {
		thread->stands = true;
		if (signal != SIGTRAP)
			return target_fail(target, REFUSED,
					   "process %d is stopped by a signal\n"
					   "next: kill -CONT %d",
					   target->pid, target->pid);
		return look(target, thread);
	}
	if (signal == SYSCALL_STOP) {
		thread->in_call = true;
		return 0;
	}
	/* Its number here: what clone() returns there is one of the process's namespace. */
	if (kind == PTRACE_EVENT_CLONE && thread->diverted &&
	    !thread_trace(PTRACE_GETEVENTMSG, tid, 0, (long)&made))
		thread->made = made;
	/* A stop ends what PTRACE_INTERRUPT began: it is asked again. */
	err = thread_resume(target, thread,
			    thread->diverted && thread->wanted ? PTRACE_SYSCALL
							       : PTRACE_CONT,
			    kind ? 0 : signal);
	if (!err && thread->wanted && !thread->diverted)
		err = thread_interrupt(target, thread);
	return err;
}

/*
 * The next event, as waitpid() has it. A signal that stops a thread on its way to it is only
 * looked at: once the stop has been waited for, the kernel drops the signal if the guard is
 * killed before it lets the thread go. 0: there is none.
 */
static pid_t next_event(int *status)
{
	siginfo_t info = { 0 };
	int event;

	if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) ||
	    !info.si_pid)
		return 0;
	event = info.si_status >> 8;
	if ((info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED) && !event &&
	    info.si_status != SYSCALL_STOP) {
		*status = info.si_status << 8 | 0x7f;
		return info.si_pid;
	}
	return waitpid(info.si_pid, status, __WALL | WNOHANG);
}

int threads_wait(struct target *target, uint64_t until)
{
	uint64_t time;
	struct timespec left;
	sigset_t child;
	int status;
	pid_t tid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (;;) {
		tid = next_event(&status);
		if (tid > 0) {
			instant();
			return event(target, tid, status);
		}
		time = now_ns();
		if (time >= until)
			return -ETIMEDOUT;
		left.tv_sec = 0;
		left.tv_nsec = until - time < 10 * MS ? until - time : 10 * MS;
		sigtimedwait(&child, NULL, &left);
	}
}

/* Between the first and the last instruction of such a sequence the kernel would start it again. */
static bool in_restartable_sequence(struct target *target, struct thread *thread)
{
	struct __ptrace_rseq_configuration config = { 0 };
	struct rseq_cs section;
	uint64_t at = 0;

	if ((long)thread->regs.orig_rax >= 0)
		return false;
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, thread->tid, sizeof(config), &config) <=
		    0 ||
	    !config.rseq_abi_pointer)
		return false;
	if (!target_peek(target, config.rseq_abi_pointer + offsetof(struct rseq, rseq_cs),
			 &at, sizeof(at)) ||
	    !at || !target_peek(target, at, &section, sizeof(section)))
		return false;
	return thread->regs.rip - section.start_ip < section.post_commit_offset;
}

static int too_late(struct target *target, struct thread *thread)
{
	return target_fail(target, REFUSED,
			   "thread %d of process %d does not stop\n"
			   "next: see what it waits for in /proc/%d/task/%d/stack",
			   thread->tid, target->pid, target->pid, thread->tid);
}

int thread_stop(struct target *target, struct thread *thread, uint64_t until)
{
	pid_t tid = thread->tid;
	int err;

	thread->wanted = true;
	err = thread_interrupt(target, thread);
	if (!err && thread->in_call)
		err = thread_continue(target, thread);
	while (!err) {
		err = threads_wait(target, until);
		thread = threads_find(target, tid);
		if (!thread)
			return -ESRCH;
		if (!err && thread->stands) {
			if (thread->diverted || !in_restartable_sequence(target, thread))
				return 0;
			err = thread_continue(target, thread);
			if (!err)
				err = thread_interrupt(target, thread);
		}
		if (err == -ETIMEDOUT || (!err && now_ns() > until))
			return too_late(target, thread);
	}
	return err;
}

static struct thread *running(struct target *target)
{
	size_t i;

	for (i = 0; i < target->n; i++)
		if (!target->threads[i].stands)
			return &target->threads[i];
	return NULL;
}

/* Those that stand where they must not stay go on. */
static int leave_sequences(struct target *target)
{
	size_t i;
	int err = 0;

	for (i = 0; i < target->n && !err; i++)
		if (in_restartable_sequence(target, &target->threads[i]))
			err = thread_continue(target, &target->threads[i]);
	return err;
}

/*
 * All that we know of; threads that they make meanwhile become known. Threads may see to it that
 * events do not end, or stay in such sequences: time counts in any case.
 */
static int stop_known(struct target *target, uint64_t until)
{
	struct thread *thread;
	size_t i;
	int err = 0;

	do {
		for (i = 0; i < target->n && !err; i++) {
			thread = &target->threads[i];
			thread->wanted = true;
			if (!thread->stands)
				err = thread_interrupt(target, thread);
		}
		while (!err && (thread = running(target))) {
			err = threads_wait(target, until);
			if (err == -ETIMEDOUT || (!err && now_ns() > until))
				return too_late(target, thread);
		}
		if (!err)
			err = leave_sequences(target);
	} while (!err && running(target));
	return err;
}

int threads_stop(struct target *target, uint64_t until)
{
	int found;

	do {
		found = stop_known(target, until);
		if (!found)
			found = threads_seize_new(target, until);
	} while (found > 0);
	return found;
}

/* Takes it out of the list: it becomes the helper, which runs. */
int thread_to_helper(struct target *target, pid_t tid, bool traced, uint64_t until)
{
	struct thread *thread;
	int err = 0;

	while (!(thread = threads_find(target, tid)) || !thread->stands) {
		err = threads_wait(target, until);
		if (err == -ETIMEDOUT || (!err && now_ns() > until))
			return target_fail(target, SYSTEM,
					   "a new thread of process %d does not begin",
					   target->pid);
		if (err)
			return err;
	}
	target->helper = tid;
	target->helper_traced = traced;
	thread_forget(target, thread);
	err = thread_trace(traced ? PTRACE_CONT : PTRACE_DETACH, tid, 0, 0);
	return err ? thread_failed(target, tid, "let go", err) : 0;
}

void threads_detach(struct target *target)
{
	uint64_t until = now_ns() + 100 * MS;
	size_t i;

	for (i = 0; i < target->n; i++)
		if (target->threads[i].stands)
			thread_detach(target, &target->threads[i--]);
	/* Only a thread that stands can be left: the rest is, when the guard ends. */
	for (i = 0; i < target->n; i++) {
		target->threads[i].wanted = true;
		thread_interrupt(target, &target->threads[i]);
	}
	while (target->n && threads_wait(target, until) != -ETIMEDOUT && now_ns() < until)
		for (i = 0; i < target->n; i++)
			if (target->threads[i].stands)
				thread_detach(target, &target->threads[i--]);
	target->n = 0;
}

int thread_do_call(struct target *target, struct thread *thread, long number,
		   int64_t *result)
{
	struct __ptrace_syscall_info info = { 0 };
	struct user_regs_struct regs;
	uint64_t until = now_ns() + 5000 * MS;
	pid_t tid = thread->tid;
	int err;

	do {
		err = thread_resume(target, thread, PTRACE_SYSCALL, 0);
		while (!err && !thread->in_call) {
			err = threads_wait(target, until);
			thread = threads_find(target, tid);
			if (!thread)
				return target_fail(target, NOT_FOUND,
						   "process %d has ended", target->pid);
			if (err == -ETIMEDOUT || (!err && now_ns() > until))
				return too_late(target, thread);
			if (!err && thread->stands)
				err = thread_resume(target, thread, PTRACE_SYSCALL, 0);
		}
		if (!err)
			err = thread_trace(PTRACE_GETREGS, tid, 0, (long)&regs);
		if (!err && thread_trace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info),
					 (long)&info) <= 0)
			err = -EIO;
	} while (!err &&
		 (info.op != PTRACE_SYSCALL_INFO_EXIT || (long)regs.orig_rax != number));
	if (err)
		return thread_failed(target, tid, "call the kernel by", err);
	*result = regs.rax;
	return 0;
}
