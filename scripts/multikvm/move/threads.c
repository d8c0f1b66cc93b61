// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads.c - the threads of a process under ptrace.
 *
 * They are seized, which they do not notice, and stopped by PTRACE_INTERRUPT: a thread then stands
 * where the kernel would look for signals, in the system call that was interrupted, if any. Let go it
 * goes on as after a signal without a handler: that call starts again with what is left of its time.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/rseq.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "target.h"

/* From the kernel's own headers, for which glibc has no place. */
#ifndef PTRACE_GETSIGMASK
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#endif
#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif
#define ERESTARTNOHAND 514
#define PF_IO_WORKER   0x10
#define PF_USER_WORKER 0x4000 /* from 6.4 */
#define SYSCALL_STOP   (SIGTRAP | 0x80)
#define USER_CS_32     0x23

static long trace(int request, pid_t tid, unsigned long address, unsigned long data)
{
	long result;

	instant();
	result = ptrace(request, tid, address, data);
	instant();
	return result < 0 ? -errno : result;
}

/* ESRCH: it was killed meanwhile, which an event tells as well. */
static int broken(struct target *target, pid_t tid, const char *what, int err)
{
	return target_fail(target, err == -ESRCH ? NOT_FOUND : SYSTEM,
			   "cannot %s thread %d of process %d: %s", what, tid,
			   target->pid, err == -ESRCH ? "it has ended" : strerror(-err));
}

struct thread *threads_find(struct target *target, pid_t tid)
{
	size_t i;

	for (i = 0; i < target->n; i++)
		if (target->threads[i].tid == tid)
			return &target->threads[i];
	return NULL;
}

static struct thread *add(struct target *target, pid_t tid)
{
	struct thread *all = target->threads;

	if (target->n == target->room) {
		all = realloc(all, (target->room + 64) * sizeof(*all));
		if (!all)
			return NULL;
		target->threads = all;
		target->room += 64;
	}
	all[target->n] = (struct thread){ .tid = tid, .wanted = true };
	return &all[target->n++];
}

static void forget(struct target *target, struct thread *thread)
{
	*thread = target->threads[--target->n];
}

/* A thread of the kernel's that belongs to the process: it executes none of its code. */
bool thread_is_worker(pid_t pid, pid_t tid)
{
	char path[64], text[512], *at;
	unsigned long flags = 0;
	unsigned int major, minor;
	struct utsname kernel;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	at = strrchr(text, ')');
	if (!at || sscanf(at, ") %*c %*d %*d %*d %*d %*d %lu", &flags) != 1)
		return false;
	if (flags & PF_IO_WORKER)
		return true;
	if (uname(&kernel) || sscanf(kernel.release, "%u.%u", &major, &minor) != 2)
		return false;
	return (major > 6 || (major == 6 && minor >= 4)) && flags & PF_USER_WORKER;
}

int thread_seize(struct target *target, pid_t tid, struct thread **thread)
{
	unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
	bool filtered = target_status(target->pid, tid, "Seccomp", 10) > 0;
	long long tracer = target_status(target->pid, tid, "TracerPid", 10);
	int err;

	if (tracer == getpid())
		return -EBUSY; /* its maker's options did that, its event is to come */
	if (tracer > 0)
		return target_fail(target, REFUSED,
				   "thread %d of process %d is traced by process %lld\n"
				   "next: end that first",
				   tid, target->pid, tracer);
	if (filtered)
		options |= PTRACE_O_SUSPEND_SECCOMP;
	err = trace(PTRACE_SEIZE, tid, 0, options);
	if (err == -EPERM && tracer < 0)
		err = -ESRCH;
	if (err == -ESRCH)
		return err; /* it has ended */
	if (err)
		return target_fail(
			target, REFUSED,
			"cannot trace thread %d of process %d%s: %s\n"
			"next: as root with CAP_SYS_PTRACE and CAP_SYS_ADMIN, in the "
			"first user namespace",
			tid, target->pid, filtered ? " with its seccomp filter off" : "",
			strerror(-err));
	*thread = add(target, tid);
	if (!*thread)
		return target_fail(target, SYSTEM, "no memory");
	(*thread)->filtered = filtered;
	return 0;
}

/* Those that are not yet; the number of them, or -errno. */
static int seize_new(struct target *target)
{
	struct thread *thread;
	char path[64];
	struct dirent *entry;
	int found = 0, err = 0;
	pid_t tid;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", target->pid);
	tasks = opendir(path);
	if (!tasks)
		return target_fail(target, NOT_FOUND, "process %d has ended",
				   target->pid);
	while (err >= 0 && (entry = readdir(tasks))) {
		tid = atoi(entry->d_name);
		if (!tid || tid == target->helper || threads_find(target, tid) ||
		    thread_is_worker(target->pid, tid))
			continue;
		err = thread_seize(target, tid, &thread);
		found += err != -ESRCH;
		if (err == -ESRCH || err == -EBUSY)
			err = 0;
	}
	closedir(tasks);
	while (!err)
		err = threads_wait(target, 0);
	return err != -ETIMEDOUT ? err : found;
}

int threads_seize(struct target *target)
{
	int found;

	do {
		found = seize_new(target);
	} while (found > 0);
	return found;
}

/*
 * Calls that end with EINTR after any stop although no signal came. Those that wait without a limit of
 * time can start again, unless a handler runs: the kernel does that for others by itself.
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
	err = trace(PTRACE_GETREGS, thread->tid, 0, (long)regs);
	if (!err)
		err = trace(PTRACE_GETSIGMASK, thread->tid, sizeof(thread->mask),
			    (long)&thread->mask);
	if (err)
		return broken(target, thread->tid, "read the registers of", err);
	if (regs->cs == USER_CS_32)
		return target_fail(target, REFUSED,
				   "process %d is a 32-bit program, which is not moved",
				   target->pid);
	if ((long)regs->rax == -EINTR && waits_for_ever(regs)) {
		/* At once: if the guard is killed now, the call still starts again. */
		regs->rax = -ERESTARTNOHAND;
		err = trace(PTRACE_SETREGS, thread->tid, 0, (long)regs);
	}
	return err ? broken(target, thread->tid, "set the registers of", err) : 0;
}

static int resume(struct target *target, struct thread *thread, int request, int signal)
{
	int err;

	thread->stands = thread->in_call = false;
	err = trace(request, thread->tid, 0, signal);
	if (err && err != -ESRCH)
		return broken(target, thread->tid, "let go", err);
	return 0;
}

int thread_continue(struct target *target, struct thread *thread)
{
	return resume(target, thread, PTRACE_CONT, 0);
}

static int interrupt(struct target *target, struct thread *thread)
{
	int err = trace(PTRACE_INTERRUPT, thread->tid, 0, 0);

	if (err && err != -ESRCH)
		return broken(target, thread->tid, "interrupt", err);
	return 0;
}

/* The helper runs freely; a stop of the whole process is a stop of the helper as well. */
static int helper_event(struct target *target, int status)
{
	int request = PTRACE_CONT;

	if (!WIFSTOPPED(status)) {
		target->helper_traced = false;
		return 0;
	}
	if (status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP)
		request = PTRACE_LISTEN;
	trace(request, target->helper, 0, 0);
	return 0;
}

/* A thread that its maker's options have made ours, or another process that shares the memory. */
static int new_thread(struct target *target, pid_t tid)
{
	struct thread *thread;

	if (target_status(target->pid, tid, "Tgid", 10) != target->pid) {
		trace(PTRACE_DETACH, tid, 0, 0);
		return 0;
	}
	thread = add(target, tid);
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

	if (tid == target->helper)
		return helper_event(target, status);
	if (!WIFSTOPPED(status)) {
		if (thread)
			forget(target, thread);
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
	/* A stop ends what PTRACE_INTERRUPT began: it is asked again. */
	err = resume(target, thread,
		     thread->diverted && thread->wanted ? PTRACE_SYSCALL : PTRACE_CONT,
		     kind ? 0 : signal);
	if (!err && thread->wanted && !thread->diverted)
		err = interrupt(target, thread);
	return err;
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
		tid = waitpid(-1, &status, __WALL | WNOHANG);
		if (tid > 0)
			return event(target, tid, status);
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
	if (target_read(target, config.rseq_abi_pointer + offsetof(struct rseq, rseq_cs),
			&at, sizeof(at)) ||
	    !at || target_read(target, at, &section, sizeof(section)))
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
	err = interrupt(target, thread);
	if (!err && thread->in_call)
		err = thread_continue(target, thread);
	while (!err) {
		err = threads_wait(target, until);
		thread = threads_find(target, tid);
		if (!thread)
			return -ESRCH;
		if (err == -ETIMEDOUT)
			return too_late(target, thread);
		if (err || !thread->stands)
			continue;
		if (thread->diverted || !in_restartable_sequence(target, thread))
			return 0;
		err = thread_continue(target, thread);
		if (!err)
			err = interrupt(target, thread);
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

/* All that we know of; threads that they make meanwhile become known. */
static int stop_known(struct target *target, uint64_t until)
{
	struct thread *thread;
	size_t i;
	int err = 0;

	for (i = 0; i < target->n && !err; i++) {
		thread = &target->threads[i];
		thread->wanted = true;
		if (!thread->stands)
			err = interrupt(target, thread);
	}
	while (!err && (thread = running(target))) {
		err = threads_wait(target, until);
		if (err == -ETIMEDOUT)
			return too_late(target, thread);
	}
	for (i = 0; i < target->n && !err; i++) {
		thread = &target->threads[i];
		if (in_restartable_sequence(target, thread)) {
			err = thread_continue(target, thread);
			return err ? err : stop_known(target, until);
		}
	}
	return err;
}

int threads_stop(struct target *target, uint64_t until)
{
	int found;

	do {
		found = stop_known(target, until);
		if (!found)
			found = seize_new(target);
	} while (found > 0);
	return found;
}

void thread_detach(struct target *target, struct thread *thread)
{
	trace(PTRACE_DETACH, thread->tid, 0, 0);
	forget(target, thread);
}

/* Takes it out of the list: it becomes the helper, which runs. */
int thread_to_helper(struct target *target, pid_t tid, bool traced, uint64_t until)
{
	struct thread *thread;
	int err = 0;

	while (!(thread = threads_find(target, tid)) || !thread->stands) {
		err = threads_wait(target, until);
		if (err == -ETIMEDOUT)
			return target_fail(target, SYSTEM,
					   "a new thread of process %d does not begin",
					   target->pid);
		if (err)
			return err;
	}
	target->helper = tid;
	target->helper_traced = traced;
	forget(target, thread);
	err = trace(traced ? PTRACE_CONT : PTRACE_DETACH, tid, 0, 0);
	return err ? broken(target, tid, "let go", err) : 0;
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
		interrupt(target, &target->threads[i]);
	}
	while (target->n && threads_wait(target, until) != -ETIMEDOUT)
		for (i = 0; i < target->n; i++)
			if (target->threads[i].stands)
				thread_detach(target, &target->threads[i--]);
	target->n = 0;
}

int thread_poke(struct target *target, struct thread *thread, uint64_t to,
		const void *from, size_t size)
{
	const char *at = from;
	unsigned long word;
	size_t n;
	int err = 0;

	/* At once, where the kernel lets a tracer write so; else word by word. */
	if (target->mem >= 0 && pwrite(target->mem, from, size, to) == (ssize_t)size) {
		instant();
		return 0;
	}
	for (; size && !err; size -= n, at += n, to += n) {
		n = size < sizeof(word) ? size : sizeof(word);
		word = 0;
		memcpy(&word, at, n);
		if (ptrace(PTRACE_POKEDATA, thread->tid, to, word))
			err = broken(target, thread->tid, "write through", -errno);
	}
	instant();
	return err;
}

/* A guard that is killed before the signals are blocked leaves that to the parasite. */
int thread_divert(struct target *target, struct thread *thread,
		  const struct user_regs_struct *regs)
{
	uint64_t all = ~0ULL;
	int err;

	thread->diverted = true;
	err = trace(PTRACE_SETREGS, thread->tid, 0, (long)regs);
	if (!err)
		err = trace(PTRACE_SETSIGMASK, thread->tid, sizeof(all), (long)&all);
	return err ? broken(target, thread->tid, "set the registers of", err) : 0;
}

/* The other way round: signals that come too early find the parasite, which blocks them. */
int thread_return(struct target *target, struct thread *thread)
{
	int err;

	err = trace(PTRACE_SETSIGMASK, thread->tid, sizeof(thread->mask),
		    (long)&thread->mask);
	if (!err)
		err = trace(PTRACE_SETREGS, thread->tid, 0, (long)&thread->regs);
	thread->diverted = false;
	return err ? broken(target, thread->tid, "set the registers of", err) : 0;
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
		err = resume(target, thread, PTRACE_SYSCALL, 0);
		while (!err && !thread->in_call) {
			err = threads_wait(target, until);
			thread = threads_find(target, tid);
			if (!thread)
				return target_fail(target, NOT_FOUND,
						   "process %d has ended", target->pid);
			if (err == -ETIMEDOUT)
				return too_late(target, thread);
			if (!err && thread->stands)
				err = resume(target, thread, PTRACE_SYSCALL, 0);
		}
		if (!err)
			err = trace(PTRACE_GETREGS, tid, 0, (long)&regs);
		if (!err &&
		    trace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), (long)&info) <= 0)
			err = -EIO;
	} while (!err &&
		 (info.op != PTRACE_SYSCALL_INFO_EXIT || (long)regs.orig_rax != number));
	if (err)
		return broken(target, tid, "call the kernel by", err);
	*result = regs.rax;
	return 0;
}
