// SPDX-License-Identifier: GPL-2.0-only
/*
 * guard.c - the process that moves one VM.
 *
 * It is in a session of its own, blocks all signals, and is the last that the kernel takes for
 * lack of memory. If the command ends before the pause, or is asked to, the guard gives up; in
 * the pause it goes on. Only SIGKILL ends it, and harms nothing (target.h), but for one case: a
 * VMM with filters of system calls, which then hold again for a thread in the middle of the move.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guard.h"
#include "move.h"

#define CHANGED	    5		 /* how often the VMM may change its VM meanwhile */
#define PATIENCE    (10000 * MS) /* for a process that does not react at all */
#define SLOTS_SPARE 64
#define SLOTS_MAX   8192

/* From the guard: what it does now (ended 0), or the verdict. */
struct message {
	int ended;
	char stage[64];
	struct verdict verdict;
};

static int to_command = -1;

static void stage(const char *what)
{
	struct message message = { 0 };

	snprintf(message.stage, sizeof(message.stage), "%s", what);
	send(to_command, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The command is gone, or wants this to end. */
static bool given_up(void)
{
	struct pollfd command = { .fd = to_command, .events = POLLRDHUP };

	return poll(&command, 1, 0) > 0 && command.revents & (POLLRDHUP | POLLHUP);
}

static int give_up(struct move *move)
{
	return target_fail(&move->target, REFUSED,
			   "the move was stopped, the VM is where it was");
}

static uint32_t slots_for(pid_t pid)
{
	char path[64];
	uint32_t n = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && readdir(tasks))
		n++;
	if (tasks)
		closedir(tasks);
	n = 2 * n + SLOTS_SPARE;
	return n > SLOTS_MAX ? SLOTS_MAX : n;
}

static int in_parasite(struct move *move)
{
	int err;

	stage("preparing");
	err = prepare(move);
	move->times.prepared = now_ns();
	if (err)
		return err;
	stage("looking");
	err = look(move);
	if (!err && move->dry)
		return 0;
	if (!err && given_up())
		err = give_up(move);
	if (err)
		return err;
	stage("moving");
	return switch_over(move);
}

/* From the start; -EAGAIN: the VMM has changed its VM. */
static int once(struct move *move, pid_t vmm)
{
	int err = target_open(&move->target, vmm);

	move->device = move->old_device = -1;
	if (!err)
		err = leftovers_remove(&move->target);
	if (!err)
		err = vm_find(move);
	if (!err)
		err = vm_shared(move);
	if (!err)
		err = parasite_put(&move->target, slots_for(vmm), now_ns() + PATIENCE);
	if (!err)
		err = in_parasite(move);
	stage("tidying up");
	if (move->target.socket >= 0 && helper_end(&move->target, now_ns() + PATIENCE) &&
	    !err)
		err = -ECANCELED;
	if (move->device >= 0)
		close(move->device);
	if (move->old_device >= 0)
		close(move->old_device);
	return err;
}

/* What a VMM does while it starts is over some time. */
static void wait_before(int tries)
{
	struct timespec time = { .tv_nsec = (20 * MS) << tries };

	nanosleep(&time, NULL);
}

static void do_job(const struct guard_job *job, struct verdict *verdict)
{
	struct move move = { .from = job->from,
			     .to = job->to,
			     .max_pause = job->max_pause,
			     .dry = job->dry };
	struct times *times = &move.times;
	int err, tries;

	times->began = now_ns();
	for (tries = 0;; tries++) {
		err = once(&move, job->vmm);
		if (move.switched)
			err = 0; /* what is left to say is no failure of the move */
		if (err == -EAGAIN && tries == CHANGED)
			err = target_fail(&move.target, REFUSED,
					  "process %d changes its VM all the time\n"
					  "next: the same again later",
					  job->vmm);
		verdict->vcpus = move.n_vcpus;
		verdict->threads = move.answer.began ? (int)move.target.n : 0;
		if (err != -EAGAIN)
			break;
		target_close(&move.target);
		vm_forget(&move);
		wait_before(tries);
	}
	times->ended = now_ns();
	verdict->status = err ? move.target.status : DONE;
	if (err && !verdict->status)
		verdict->status = SYSTEM;
	snprintf(verdict->why, sizeof(verdict->why), "%s",
		 move.target.status ? move.target.why
		 : err		    ? strerror(-err)
				    : "");
	verdict->tries = move.tries;
	verdict->prepare = times->prepared - times->began;
	verdict->total = times->ended - times->began;
	if (times->gone_on) {
		verdict->stop = times->quiet - times->stopped;
		verdict->state = times->switched - times->quiet;
		verdict->go = times->gone_on - times->switched;
	}
}

static void protect(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	sigset_t all;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* Without the right to any of these it works as well. */
	if (fd >= 0 && write(fd, "-1000", 5) < 0)
		errno = 0;
	if (fd >= 0)
		close(fd);
	setpriority(PRIO_PROCESS, 0, -20);
	mlockall(MCL_CURRENT | MCL_FUTURE);
}

int guard_start(struct guard *guard)
{
	struct message message = { .ended = 1 };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	fflush(NULL);
	guard->pid = fork();
	if (guard->pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return -errno;
	}
	guard->fd = ends[0];
	guard->stage = "";
	if (guard->pid) {
		close(ends[1]);
		return 0;
	}
	close(ends[0]);
	to_command = ends[1];
	protect();
	do_job(&guard->job, &message.verdict);
	send(to_command, &message, sizeof(message), MSG_NOSIGNAL);
	_exit(0);
}

static void ended(struct guard *guard)
{
	close(guard->fd);
	guard->fd = -1;
	waitpid(guard->pid, NULL, 0);
}

/* Whether it has ended. */
static bool take_message(struct guard *guard)
{
	static char stages[64];
	struct message message;

	if (recv(guard->fd, &message, sizeof(message), MSG_DONTWAIT) != sizeof(message)) {
		guard->verdict.status = SYSTEM;
		snprintf(guard->verdict.why, sizeof(guard->verdict.why),
			 "who moved the VM of process %d was killed\nnext: multikvm ps",
			 guard->job.vmm);
		ended(guard);
		return true;
	}
	if (!message.ended) {
		snprintf(stages, sizeof(stages), "%s", message.stage);
		guard->stage = stages;
		return false;
	}
	guard->verdict = message.verdict;
	ended(guard);
	return true;
}

int guard_wait(struct guard *guards, int n, int ms, bool stop)
{
	struct pollfd *fds = calloc(n, sizeof(*fds));
	int i, found = -1;

	for (i = 0; fds && i < n; i++) {
		fds[i] = (struct pollfd){ .fd = guards[i].fd, .events = POLLIN };
		if (stop && guards[i].fd >= 0)
			shutdown(guards[i].fd, SHUT_WR);
	}
	if (fds && poll(fds, n, ms) > 0)
		for (i = 0; i < n && found < 0; i++)
			if (fds[i].revents && take_message(&guards[i]))
				found = i;
	free(fds);
	return found;
}
