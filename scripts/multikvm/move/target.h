/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * target.h - the process whose VM is moved: its threads under ptrace, its memory, the parasite in
 * it.
 *
 * All of this is for the guard, the one process that traces. Functions return 0 or -errno;
 * -ECANCELED says that target_fail() has kept the reason.
 *
 * The guard may be killed between any two of its system calls. What it leaves then:
 *
 *	a thread with its own registers		the kernel lets it go on, its call starts again
 *	a thread with diverted registers	executes what they say, which ends in its own
 *	the helper				sees it, undoes what it made, and ends
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "../multikvm.h"
#include "parasite/parasite.h"

#define MS 1000000ULL /* in ns, of CLOCK_MONOTONIC, as all times here */

struct thread {
	pid_t tid;
	bool stands;   /* in a stop from which the kernel goes on as after a signal */
	bool in_call;  /* in a stop before or after a system call */
	bool diverted; /* its registers are not its own */
	bool filtered; /* by seccomp */
	bool wanted;   /* it is to stop */
	pid_t made;    /* the thread that it has made last, while it is diverted */
	uint32_t slot; /* while it is diverted to the parasite */
	uint64_t mask; /* its signals, and its registers, when it stopped */
	struct user_regs_struct regs;
};

struct target {
	pid_t pid;
	int pidfd, mem;		/* mem: /proc/PID/mem */
	struct thread *threads; /* those that are traced, but not the helper */
	size_t n, room;
	/* helper.c */
	struct parasite
		*image; /* its data, to be written to the VMM; NULL: there is none */
	uint64_t data;	/* where they are there */
	uint64_t spawn, park; /* where threads enter */
	uint64_t cave;
	pid_t helper;
	bool helper_traced;
	int socket;
	uint32_t orders; /* that were given */
	/* What went wrong. */
	enum status status;
	char why[1024];
};

/* A line of /proc/PID/maps. */
struct mapping {
	uint64_t start, end, offset;
	char prot[5];
	char name[256];
};

/* target.c: the process */
int target_open(struct target *target, pid_t pid);
void target_close(struct target *target);
/* Keeps the first reason; the form is that of fail(). Returns -ECANCELED. */
int target_fail(struct target *target, enum status status, const char *fmt, ...) FMT(3);
int target_read(struct target *target, uint64_t from, void *to, size_t size);
/* The same of what may not be there. */
bool target_peek(struct target *target, uint64_t from, void *to, size_t size);
int target_write(struct target *target, uint64_t to, const void *from, size_t size);
/* Calls `each` until that returns another value than 0, which is returned. */
int target_maps(struct target *target, int (*each)(const struct mapping *, void *),
		void *data);
long long target_status(pid_t pid, pid_t tid, const char *key, int base);
uint64_t now_ns(void);

/* threads.c: its threads. Times are those at which patience ends. */
struct thread *threads_find(struct target *target, pid_t tid);
int threads_seize(struct target *target, uint64_t until);
/* Those that no longer have to stop: target->n is 0 then. */
void threads_detach(struct target *target);
/* All stand afterwards, also those that were made meanwhile; what they do is in their registers. */
int threads_stop(struct target *target, uint64_t until);
int thread_seize(struct target *target, pid_t tid, struct thread **thread);
int thread_suspend_filters(struct target *target, struct thread *thread);
bool thread_is_worker(pid_t pid,
		      pid_t tid); /* of the kernel: it executes no code of the process */
int thread_stop(struct target *target, struct thread *thread, uint64_t until);
int thread_continue(struct target *target, struct thread *thread);
void thread_detach(struct target *target, struct thread *thread);
/* Through a thread that stands, to memory that the VMM itself may not write. */
int thread_poke(struct target *target, struct thread *thread, uint64_t to,
		const void *from, size_t size);
/* Its registers become these, with all signals blocked; and its own again. */
int thread_divert(struct target *target, struct thread *thread,
		  const struct user_regs_struct *regs);
int thread_return(struct target *target, struct thread *thread);
/* Lets it go until it has done the system call; *result is what that returned. */
int thread_do_call(struct target *target, struct thread *thread, long number,
		   int64_t *result);
int thread_to_helper(struct target *target, pid_t tid, bool traced, uint64_t until);
/* One event of the threads. -ETIMEDOUT: none has come until that time. */
int threads_wait(struct target *target, uint64_t until);

/* restore.c: code that gives a thread its registers back, without memory of its own */
#define RESTORE_MAX 256
/*
 * `mask`: address of the signal mask, which is set first, `used`: that of a word that becomes 0
 * then; each may be 0. `eintr`: its call ends so.
 */
size_t restore_code(uint8_t *to, const struct user_regs_struct *regs, uint64_t mask,
		    uint64_t used, bool eintr);
/* Its call starts again if no handler runs; any handler ends it. */
bool restore_restarts(const struct user_regs_struct *regs);
bool restore_nohand(const struct user_regs_struct *regs);

/* cave.c: where code can be before there is memory for it */
#define CAVE_SIZE 272
/* syscall; mov $SYS_exit, %eax; xor %edi, %edi; syscall */
#define CAVE_END                                                        \
	{                                                               \
		0x0f, 0x05, 0xb8, 0x3c, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05 \
	}
#define CAVE_MASK 16 /* a thread's signal mask */
#define CAVE_CALL 24 /* its system call, then code that restores it */
uint64_t cave_find(struct target *target); /* an address, or 0 */

/* inject.c: brings the parasite into the process; takes no thread that is a vCPU's if it can */
int parasite_put(struct target *target, uint32_t slots, uint64_t until);

/* leftovers.c: helpers of guards that were killed; before anything else */
int leftovers_remove(struct target *target);

/*
 * helper.c: what the helper does. It is a thread of the VMM, and works on memory that the VMM can
 * write: what comes back is a value, and no length, index or pointer that is followed here.
 */
int helper_take_socket(struct target *target, int fd);
int helper_connect(struct target *target, uint64_t until);
int helper_order(struct target *target, const struct order *order, int fd,
		 struct answer *answer, uint64_t until);
/* The same; -EBUSY: it has not answered until then. It may be asked something else. */
int helper_ask(struct target *target, const struct order *order, int fd,
	       struct answer *answer, uint64_t until);
/*
 * The first step of the program is the deadline of park_open(). An error: the helper changes
 * nothing any more, and cannot be asked again.
 */
int helper_switch(struct target *target, const struct order *order,
		  struct answer *answer);
/* The helper undoes what it has made, and all of this goes. */
int helper_end(struct target *target, uint64_t until);

/* park.c: threads that stand come to the park code, if the guard is killed; and back */
int park_prepare(struct target *target, struct thread *thread, uint32_t slot,
		 bool nohand_ends);
int park_open(struct target *target, uint64_t deadline); /* before the first */
int park(struct target *target, struct thread *thread, uint32_t slot);
int unpark(struct target *target, struct thread *thread);

/*
 * Between two actions that another process can see. A program built FOR_TESTS kills itself at the
 * one whose number is MULTIKVM_KILL_AT in the environment.
 */
#ifdef FOR_TESTS
void instant(void);
extern unsigned int instants;
#else
static inline void instant(void)
{
}
#endif

#endif
