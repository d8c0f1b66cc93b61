// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads.c - the threads of a process that are traced, and their registers. They are seized, which
 * they do not notice; stops.c stops them.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "trace.h"

#define OPTIONS	       (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE)
#define PF_IO_WORKER   0x10
#define PF_USER_WORKER 0x4000 /* from 6.4 */

long thread_trace(int request, pid_t tid, unsigned long address, unsigned long data)
{
	long result;

	instant();
	result = ptrace(request, tid, address, data);
	instant();
	return result < 0 ? -errno : result;
}

int thread_failed(struct target *target, pid_t tid, const char *what, int err)
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

struct thread *thread_add(struct target *target, pid_t tid)
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

void thread_forget(struct target *target, struct thread *thread)
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

static bool is_of(const struct target *target, pid_t tid)
{
	return target_status(target->pid, tid, "Tgid", 10) == target->pid;
}

static int not_allowed(struct target *target, pid_t tid, const char *what, int err)
{
	return target_fail(target, REFUSED,
			   "cannot %s thread %d of process %d: %s\n"
			   "next: as root with CAP_SYS_PTRACE and CAP_SYS_ADMIN, in the "
			   "first user namespace",
			   what, tid, target->pid, strerror(-err));
}

/* A thread that executes only what the guard wants; those that it makes have no filters either. */
int thread_suspend_filters(struct target *target, struct thread *thread)
{
	int err = thread_trace(PTRACE_SETOPTIONS, thread->tid, 0,
			       OPTIONS | PTRACE_O_SUSPEND_SECCOMP);

	if (err == -ESRCH)
		return thread_failed(target, thread->tid, "trace", err);
	return err ? not_allowed(target, thread->tid, "turn off the seccomp filter of",
				 err)
		   : 0;
}

int thread_seize(struct target *target, pid_t tid, struct thread **thread)
{
	bool filtered = target_status(target->pid, tid, "Seccomp", 10) > 0;
	long long tracer = target_status(target->pid, tid, "TracerPid", 10);
	int err;

	if (!is_of(target, tid))
		return -ESRCH;
	if (tracer == getpid())
		return -EBUSY; /* its maker's options did that, its event is to come */
	if (tracer > 0)
		return target_fail(target, REFUSED,
				   "thread %d of process %d is traced by process %lld\n"
				   "next: end that first",
				   tid, target->pid, tracer);
	err = thread_trace(PTRACE_SEIZE, tid, 0, OPTIONS);
	if (err == -EPERM && tracer < 0)
		err = -ESRCH;
	if (err == -ESRCH)
		return err; /* it has ended */
	if (err)
		return not_allowed(target, tid, "trace", err);
	/* A number stays with its thread from now on. */
	if (!is_of(target, tid))
		return target_fail(
			target, NOT_FOUND,
			"thread %d of process %d has ended\nnext: the same again", tid,
			target->pid);
	*thread = thread_add(target, tid);
	if (!*thread)
		return target_fail(target, SYSTEM, "no memory");
	(*thread)->filtered = filtered;
	return 0;
}

int threads_seize_new(struct target *target, uint64_t until)
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
	while (!err && now_ns() < until)
		err = threads_wait(target, 0);
	if (err && err != -ETIMEDOUT)
		return err;
	if (found && now_ns() > until)
		return target_fail(target, REFUSED,
				   "process %d makes new threads all the time\n"
				   "next: the same again later",
				   target->pid);
	return found;
}

int threads_seize(struct target *target, uint64_t until)
{
	int found;

	do {
		found = threads_seize_new(target, until);
	} while (found > 0);
	return found;
}

int thread_resume(struct target *target, struct thread *thread, int request, int signal)
{
	int err;

	thread->stands = thread->in_call = false;
	err = thread_trace(request, thread->tid, 0, signal);
	if (err && err != -ESRCH)
		return thread_failed(target, thread->tid, "let go", err);
	return 0;
}

int thread_continue(struct target *target, struct thread *thread)
{
	return thread_resume(target, thread, PTRACE_CONT, 0);
}

int thread_interrupt(struct target *target, struct thread *thread)
{
	int err = thread_trace(PTRACE_INTERRUPT, thread->tid, 0, 0);

	if (err && err != -ESRCH)
		return thread_failed(target, thread->tid, "interrupt", err);
	return 0;
}

void thread_detach(struct target *target, struct thread *thread)
{
	thread_trace(PTRACE_DETACH, thread->tid, 0, 0);
	thread_forget(target, thread);
}

int thread_poke(struct target *target, struct thread *thread, uint64_t to,
		const void *from, size_t size)
{
	const char *at = from;
	unsigned long word;
	size_t n;
	int err = 0;

	/* At once, where the kernel lets a tracer write so; else word by word. */
	if (pwrite(target->mem, from, size, to) == (ssize_t)size) {
		instant();
		return 0;
	}
	for (; size && !err; size -= n, at += n, to += n) {
		n = size < sizeof(word) ? size : sizeof(word);
		word = 0;
		memcpy(&word, at, n);
		if (ptrace(PTRACE_POKEDATA, thread->tid, to, word))
			err = thread_failed(target, thread->tid, "write through", -errno);
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
	err = thread_trace(PTRACE_SETREGS, thread->tid, 0, (long)regs);
	if (!err)
		err = thread_trace(PTRACE_SETSIGMASK, thread->tid, sizeof(all),
				   (long)&all);
	return err ? thread_failed(target, thread->tid, "set the registers of", err) : 0;
}

/* The other way round: signals that come too early find the parasite, which blocks them. */
int thread_return(struct target *target, struct thread *thread)
{
	int err;

	err = thread_trace(PTRACE_SETSIGMASK, thread->tid, sizeof(thread->mask),
			   (long)&thread->mask);
	if (!err)
		err = thread_trace(PTRACE_SETREGS, thread->tid, 0, (long)&thread->regs);
	thread->diverted = false;
	return err ? thread_failed(target, thread->tid, "set the registers of", err) : 0;
}
