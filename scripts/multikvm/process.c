// SPDX-License-Identifier: GPL-2.0-only
/*
 * process.c - other programs, and being asked to stop.
 *
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT are blocked from process_begin() on, and looked for here only: nothing
 * is cut off in the middle. Programs are groups of their own, so that a Ctrl-C reaches this one alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "multikvm.h"

#define PATIENCE 2 /* seconds before a terminal is told what takes so long */

static sigset_t before, stops;
static int stopped_by;

void process_begin(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t blocked;
	struct sigaction was;
	size_t i;

	sigemptyset(&stops);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!sigaction(numbers[i], NULL, &was) && was.sa_handler != SIG_IGN)
			sigaddset(&stops, numbers[i]); /* not under nohup */
	blocked = stops;
	sigaddset(&blocked, SIGCHLD);
	signal(SIGCHLD, SIG_DFL);
	/* A reader that has gone is no reason to stop in the middle of a change. */
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &blocked, &before);
}

bool process_stopped(void)
{
	static const struct timespec now;
	int number;

	if (!stopped_by) {
		number = sigtimedwait(&stops, NULL, &now);
		stopped_by = number > 0 ? number : 0;
	}
	return stopped_by;
}

void process_release(void)
{
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

void process_end(void)
{
	if (!stopped_by)
		return;
	signal(stopped_by, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	raise(stopped_by);
}

/* What is made for whoever called sudo belongs to them. */
static int become_caller(void)
{
	const char *text = getenv("SUDO_UID");
	struct passwd *who = text && *text ? getpwuid(atoi(text)) : NULL;

	if (geteuid() || !text)
		return 0;
	if (!who || initgroups(who->pw_name, who->pw_gid) || setgid(who->pw_gid) ||
	    setuid(who->pw_uid))
		return -1;
	setenv("HOME", who->pw_dir, 1);
	return 0;
}

/* In the child, which ends here. */
static void become(const struct process *how, const char * const argv[], pid_t parent)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const char *to = how->log ? how->log : how->output;
	int out = to ? open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
	int errors = how->errors ? open(how->errors, O_WRONLY | O_CLOEXEC) : -1;

	setpgid(0, 0);
	if (in >= 0)
		dup2(in, 0);
	if ((to && out < 0) || (how->errors && errors < 0))
		_exit(127);
	if (out >= 0)
		dup2(out, 1);
	if (out >= 0 && how->log)
		dup2(out, 2);
	if (errors >= 0)
		dup2(errors, 2);
	if (how->folder && chdir(how->folder))
		_exit(127);
	if (how->as_caller && become_caller())
		_exit(127);
	/*
	 * What only fills a folder of its own ends with us. What works on the host goes on, and the lock
	 * with it, so that nobody repairs at the same time.
	 */
	if (!how->on_host) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* setuid() would clear it */
		if (getppid() != parent)
			_exit(127);
	} else {
		host_keep_lock();
	}
	if (how->log)
		setenv("LC_ALL", "C", 1);
	process_release();
	execvp(argv[0], (char * const *)argv);
	_exit(127);
}

/* One line that says how long it has taken, on a terminal; `seconds` 0 takes it away again. */
static void show(const char *what, long seconds)
{
	if (seconds)
		fprintf(stderr, "\r\033[K  %s: %ld s", what, seconds);
	else
		fputs("\r\033[K", stderr);
	fflush(stderr);
}

static long seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec;
}

/* The rest of a group whose first process was told to stop, such as the compilers of a make. */
static void end_group(pid_t child)
{
	static const struct timespec tenth = { .tv_nsec = 100000000 };
	int tries;

	for (tries = 0; !kill(-child, 0) && tries < 100; tries++)
		nanosleep(&tenth, NULL);
	kill(-child, SIGKILL);
}

static int wait_for(pid_t child, const struct process *how)
{
	static const struct timespec second = { .tv_sec = 1 };
	bool visible = how->what && !as_json && isatty(STDERR_FILENO), shown = false;
	bool stopped = false;
	struct timespec start;
	sigset_t awaited;
	int status, got;
	pid_t ended;

	sigemptyset(&awaited);
	sigaddset(&awaited, SIGCHLD);
	/* Not the signals that stop: one that comes is looked for within a second. */
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!(ended = waitpid(child, &status, WNOHANG))) {
		got = sigtimedwait(&awaited, NULL, &second);
		if (!how->on_host && process_stopped()) {
			kill(-child, SIGTERM);
			stopped = true;
		}
		if (got < 0 && visible && seconds_since(&start) >= PATIENCE) {
			show(how->what, seconds_since(&start));
			shown = true;
		}
	}
	if (shown)
		show(how->what, 0);
	if (stopped)
		end_group(child);
	if (ended < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_run(const struct process *how, const char * const argv[])
{
	pid_t parent = getpid(), child;

	if (!how->on_host && process_stopped())
		return -EINTR;
	fflush(NULL);
	child = fork();
	if (!child)
		become(how, argv, parent);
	if (child < 0)
		return -errno;
	setpgid(child, child);
	return wait_for(child, how);
}
