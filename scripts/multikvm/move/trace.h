/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - what threads.c and stops.c have in common: ptrace, and the list of threads.
 */
#ifndef TRACE_H
#define TRACE_H

#include "target.h"

/* For what glibc has no names. */
#ifndef PTRACE_GETSIGMASK
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#endif

long thread_trace(int request, pid_t tid, unsigned long address, unsigned long data);
/* ESRCH: it was killed meanwhile, which an event tells as well. Returns -ECANCELED. */
int thread_failed(struct target *target, pid_t tid, const char *what, int err);
struct thread *thread_add(struct target *target, pid_t tid);
void thread_forget(struct target *target, struct thread *thread);
int thread_resume(struct target *target, struct thread *thread, int request, int signal);
int thread_interrupt(struct target *target, struct thread *thread);
/* Those that are not traced yet; the number of them, or -errno. */
int threads_seize_new(struct target *target, uint64_t until);

#endif
