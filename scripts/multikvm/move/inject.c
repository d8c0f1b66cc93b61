// SPDX-License-Identifier: GPL-2.0-only
/*
 * inject.c - brings the parasite into a process, by one of its threads, for a moment.
 *
 *	1. the thread stands in a system call that waits
 *	2. in the cave: mmap() for code, mprotect() of the data, then code that restores the thread
 *	3. the parasite is written to the new memory, through ptrace: no page is ever both writable
 *	   and executable
 *	4. in the parasite: clone() of the helper, then code that restores the thread
 *	5. the thread stands, gets its registers back, and its call starts again
 *
 * If the guard is killed after any of these, the thread executes what is left of its step, and then
 * what it was about to. Memory of 2 stays then, without pages; a helper of 4 tidies up.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "target.h"

#define PAGE	     4096ULL
#define HELPER_STACK 16384

static const uint8_t code[] = {
#include "parasite-code.h"
};

struct entry {
	uint64_t magic;
	uint32_t park, spawn;
};

static uint64_t pages(uint64_t size)
{
	return (size + PAGE - 1) & ~(PAGE - 1);
}

/*
 * Best is a thread without filters that waits in a call which a handler may end or not; any handler
 * ends ppoll(), for one, which ends with EINTR here if the guard is killed. A thread in KVM_RUN
 * ends that with EINTR in any case. 0 is good.
 */
static int rank(const struct thread *thread)
{
	int how = restore_nohand(&thread->regs)	    ? 1
		  : restore_restarts(&thread->regs) ? 0
						    : 2;

	return thread->filtered * 3 + how;
}

/* Makes it the chosen one if it is better, and leaves the other. */
static int try_thread(struct target *target, pid_t tid, pid_t *chosen, uint64_t until)
{
	struct thread *thread, *before = threads_find(target, *chosen);
	int err = thread_seize(target, tid, &thread);

	if (!err)
		err = thread_stop(target, thread, until);
	if (err == -ESRCH)
		return 0;
	if (err)
		return err;
	thread = threads_find(target, tid);
	before = threads_find(target, *chosen);
	if (before && rank(before) <= rank(thread)) {
		thread_detach(target, thread);
		return 0;
	}
	if (before)
		thread_detach(target, before);
	*chosen = tid;
	return 0;
}

/* One that stands, the process's first if that is good. */
static int choose(struct target *target, pid_t *chosen, uint64_t until)
{
	struct thread *thread;
	struct dirent *entry;
	char path[64];
	int err = 0;
	pid_t tid;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", target->pid);
	tasks = opendir(path);
	if (!tasks)
		return target_fail(target, NOT_FOUND, "process %d has ended",
				   target->pid);
	while (!err && (entry = readdir(tasks))) {
		tid = atoi(entry->d_name);
		thread = threads_find(target, *chosen);
		if (thread && rank(thread) < 2)
			break;
		if (tid && !thread_is_worker(target->pid, tid))
			err = try_thread(target, tid, chosen, until);
	}
	closedir(tasks);
	if (!err && !threads_find(target, *chosen))
		return target_fail(target, NOT_FOUND, "process %d has ended",
				   target->pid);
	return err;
}

static struct user_regs_struct with_call(const struct thread *thread, uint64_t rip,
					 long number, uint64_t a, uint64_t b, uint64_t c)
{
	struct user_regs_struct regs = thread->regs;

	regs.rip = rip;
	regs.orig_rax = -1;
	regs.rax = number;
	regs.rdi = a;
	regs.rsi = b;
	regs.rdx = c;
	return regs;
}

/* What its call has given, if that is no error. */
static int cave_call(struct target *target, struct thread *thread, uint64_t *result,
		     const struct user_regs_struct *regs, const char *what)
{
	int64_t got;
	int err = thread_divert(target, thread, regs);

	if (!err)
		err = thread_do_call(target, thread, regs->rax, &got);
	if (err)
		return err;
	if (got < 0 && got > -4096)
		return target_fail(target, REFUSED,
				   "process %d gets no memory for the move: %s: %s%s",
				   target->pid, what, strerror(-got),
				   got == -EACCES
					   ? "\nnext: see whether its SELinux domain has "
					     "execmem"
					   : "");
	*result = got;
	return 0;
}

/* 2: the memory, its address in image->base. */
static int make_memory(struct target *target, struct thread *thread)
{
	struct parasite *image = target->image;
	struct user_regs_struct regs;
	uint8_t cave[CAVE_SIZE] = CAVE_END;
	uint64_t call = target->cave + CAVE_CALL, unused;
	int err;

	cave[CAVE_CALL] = 0x0f; /* syscall */
	cave[CAVE_CALL + 1] = 0x05;
	memcpy(cave + CAVE_MASK, &thread->mask, sizeof(thread->mask));
	restore_code(cave + CAVE_CALL + 2, &thread->regs, target->cave + CAVE_MASK, 0,
		     restore_nohand(&thread->regs));
	err = thread_poke(target, thread, target->cave, cave, sizeof(cave));
	if (err)
		return err;
	regs = with_call(thread, call, SYS_mmap, 0, image->size, PROT_READ | PROT_EXEC);
	regs.r10 = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	regs.r8 = -1;
	regs.r9 = 0;
	err = cave_call(target, thread, &image->base, &regs, "mmap");
	if (err)
		return err;
	target->data = image->base + image->code_size;
	regs = with_call(thread, call, SYS_mprotect, target->data,
			 image->size - image->code_size, PROT_READ | PROT_WRITE);
	return cave_call(target, thread, &unused, &regs, "mprotect");
}

/* 3 */
static int fill(struct target *target, struct thread *thread, bool filtered)
{
	const struct entry *entry = (const struct entry *)code;
	struct parasite *image = target->image;
	int err;

	image->magic = PARASITE_MAGIC;
	image->stack = image->base + image->size;
	image->phase = PHASE_OPEN;
	image->keep_open = filtered;
	image->end = target->cave;
	image->slots = target->data + pages(sizeof(*image));
	image->socket = image->peer = image->wake = -1;
	target->park = image->base + entry->park;
	target->spawn = image->base + entry->spawn;
	err = target_write(target, target->data, image, offsetof(struct parasite, undo));
	if (!err)
		err = thread_poke(target, thread, image->base, code, sizeof(code));
	return err;
}

/* 4; the thread stands in no call that can start again afterwards, but at the end of clone(). */
static int make_helper(struct target *target, struct thread *thread, pid_t *helper)
{
	int err = park_prepare(target, thread, 0, true);
	struct user_regs_struct regs = thread->regs;
	pid_t tid = thread->tid;
	int64_t made;

	regs.rip = target->spawn;
	regs.rdi = target->image->slots;
	regs.rsi = target->data;
	regs.orig_rax = -1; /* the kernel has no call to start again here */
	if (!err)
		err = thread_divert(target, thread, &regs);
	if (!err)
		err = thread_do_call(target, thread, SYS_clone, &made);
	if (err)
		return err;
	if (made < 0)
		return target_fail(
			target, REFUSED,
			"process %d gets no thread for the move: %s\n"
			"next: see pids.max of its cgroup and its RLIMIT_NPROC",
			target->pid, strerror(-made));
	thread = threads_find(target, tid);
	*helper = thread ? thread->made : 0;
	if (*helper <= 0)
		return target_fail(target, SYSTEM,
				   "thread %d of process %d made no thread", tid,
				   target->pid);
	return 0;
}

/* 5, also after a failure of the others */
static int give_back(struct target *target, pid_t tid, uint64_t until)
{
	struct thread *thread = threads_find(target, tid);
	int err = 0;

	if (!thread)
		return 0;
	if (!thread->stands)
		err = thread_stop(target, thread, until);
	thread = threads_find(target, tid);
	if (!err && thread->diverted)
		err = unpark(target, thread);
	if (!err)
		thread_detach(target, thread);
	return err;
}

int parasite_put(struct target *target, uint32_t slots, uint64_t until)
{
	struct parasite *image = calloc(1, sizeof(*image));
	struct thread *thread;
	pid_t tid = 0, helper = 0;
	bool filtered;
	int err;

	if (!image)
		return target_fail(target, SYSTEM, "no memory");
	target->image = image;
	image->n_slots = slots;
	image->code_size = pages(PARASITE_STUBS + (uint64_t)slots * PARASITE_STUB);
	image->size = image->code_size + pages(sizeof(*image)) +
		      pages((uint64_t)slots * sizeof(struct slot)) + HELPER_STACK;
	target->cave = cave_find(target);
	if (!target->cave)
		return target_fail(
			target, REFUSED,
			"process %d has no place for code: no vdso, no file whose end "
			"is free",
			target->pid);
	err = choose(target, &tid, until);
	thread = threads_find(target, tid);
	filtered = thread && thread->filtered;
	/* From here on it executes nothing of its own until the guard leaves it. */
	if (!err && filtered)
		err = thread_suspend_filters(target, thread);
	if (!err)
		err = make_memory(target, thread);
	if (!err)
		err = fill(target, thread, filtered);
	if (!err)
		err = make_helper(target, thread, &helper);
	if (!err)
		err = thread_to_helper(target, helper, filtered, until);
	if (tid && give_back(target, tid, until) && !err)
		err = -ECANCELED;
	threads_detach(target);
	if (err)
		return err;
	/* Its own priority is nobody else's, and the pause depends on it. */
	setpriority(PRIO_PROCESS, target->helper, -20);
	return helper_connect(target, until);
}
