// SPDX-License-Identifier: GPL-2.0-only
/*
 * rehearse.c - all that a move does to a process, without a VM: a helper comes into it and opens
 * files, its threads stand while the helper executes a program, they go on, and nothing stays.
 *
 * usage: rehearse PID [MODE]
 *
 * MODE is what the program does: "switch" (the default), "fail", after which the other program
 * runs, "late", which is told the deadline too late, or "slow", which takes seconds. Prints what a
 * move would report, as one line. MULTIKVM_KILL_AT=N in the environment: it is killed at its Nth
 * action.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../scripts/multikvm/move/target.h"

#define PATIENCE (10000 * MS)

static struct target target;

static int run(int kind, uint64_t at, struct step *steps, uint32_t n, uint32_t n_back,
	       int fd, struct answer *answer)
{
	struct order order = {
		.kind = kind,
		.n = n,
		.n_back = n_back,
		.program = at,
		.back = at + n * sizeof(*steps),
	};
	int err = 0;

	if (n + n_back)
		err = target_write(&target, at, steps, (n + n_back) * sizeof(*steps));
	if (!err)
		err = kind == ORDER_SWITCH ? helper_switch(&target, &order, answer)
					   : helper_order(&target, &order, fd, answer,
							  now_ns() + PATIENCE);
	if (!err && n)
		err = target_read(&target, at, steps, (n + n_back) * sizeof(*steps));
	return err;
}

static const struct step map = {
	.kind = STEP_CALL,
	.want = WANT_SUCCESS,
	.undo = UNDO_UNMAP,
	.number = SYS_mmap,
	.argument = { 0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0 },
};

/* What a switch has: calls, comparisons, copies, something that fails. */
static int make(struct step *steps, uint64_t at, uint64_t deadline, const char *mode)
{
	int n = 0;

	steps[n++] = (struct step){ STEP_DEADLINE, .argument = { deadline } };
	steps[n++] = (struct step){
		STEP_CALL,
		WANT_SUCCESS,
		UNDO_CLOSE,
		.number = SYS_eventfd2,
		.argument = { 7, EFD_CLOEXEC },
	};
	steps[n++] = (struct step){ STEP_COPY, .argument = { at + 32768, at, 4096 } };
	steps[n++] = (struct step){
		STEP_SAME,
		WANT_SUCCESS,
		.argument = { at + 32768 + 300, at + 300, 2000 },
	};
	if (!strcmp(mode, "slow"))
		steps[n++] = (struct step){
			STEP_CALL,
			WANT_SUCCESS,
			.number = SYS_nanosleep,
			.argument = { at + 60000 },
		};
	if (!strcmp(mode, "fail"))
		steps[n++] = (struct step){
			STEP_CALL,
			WANT_VALUE,
			.number = SYS_getppid,
			.value = -1,
		};
	if (!strcmp(mode, "late"))
		steps[n++] = (struct step){ STEP_DEADLINE, .argument = { 1 } };
	steps[n] = (struct step){ STEP_CALL, WANT_SUCCESS, .number = SYS_getpid };
	return n;
}

static int rehearse(const char *mode)
{
	struct step steps[16] = { map };
	uint64_t until = now_ns() + PATIENCE, before, deadline;
	struct timespec some = { 3, 0 };
	struct answer answer;
	int err, n, fd = eventfd(3, EFD_CLOEXEC);
	uint64_t at;
	size_t i;

	err = leftovers_remove(&target);
	if (!err)
		err = parasite_put(&target, 64, until);
	if (!err)
		err = run(ORDER_RUN, target.data + offsetof(struct parasite, start),
			  steps, 1, 0, fd, &answer);
	if (err)
		return err;
	at = steps[0].result;
	if (answer.failed >= 0 || answer.fd < 0)
		return target_fail(&target, SYSTEM, "no memory in the process");
	before = now_ns();
	printf("%u instants before the pause\n", instants);
	fflush(stdout);
	deadline = now_ns() + 500 * MS;
	err = park_open(&target, deadline);
	if (!err)
		err = target_write(&target, at + 60000, &some, sizeof(some));
	if (!err)
		err = threads_seize(&target, until);
	if (!err)
		err = threads_stop(&target, now_ns() + 2000 * MS);
	for (i = 0; i < target.n && !err; i++)
		err = park(&target, &target.threads[i], i);
	n = make(steps, at, deadline, mode);
	if (!err)
		err = run(ORDER_SWITCH, at, steps, n, 1, -1, &answer);
	for (i = 0; i < target.n; i++)
		if (unpark(&target, &target.threads[i]))
			err = -ECANCELED;
	n = target.n;
	threads_detach(&target);
	if (!err)
		printf("phase %u, step %d, back %d, %d threads, %llu us, %u instants\n",
		       answer.phase, answer.failed, answer.failed_back, n,
		       (unsigned long long)(now_ns() - before) / 1000, instants);
	return err ? err : helper_end(&target, now_ns() + PATIENCE);
}

int main(int argc, char **argv)
{
	sigset_t child;
	int err;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	err = target_open(&target, argc > 1 ? atoi(argv[1]) : 0);
	if (!err)
		err = rehearse(argc > 2 ? argv[2] : "switch");
	if (err)
		fprintf(stderr, "rehearse: %s\n", target.why);
	else
		printf("%u instants\n", instants);
	target_close(&target);
	return err ? 1 : 0;
}
