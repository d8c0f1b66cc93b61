// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of the emulated machine: run one scenario, report, power off.
 *
 * Everything happens in one poll() loop, so a heartbeat means that user space gets the CPU.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

#define MAX_WORDS   64
#define LOG_WARNING 4
#define KMEMLEAK    "/sys/kernel/debug/kmemleak"
#define LEAK_MS	    6000 /* kmemleak: MSECS_MIN_AGE is 5000 */
#define REAP_MS	    5000

struct stream {
	int fd;
	char type;
	size_t used;
	char line[MAX_PAYLOAD];
};

static int kmsg_fd = -1;
static long long init_started_us;

/* From /scenario/settings, written by the host. */
static long limit_ms = 60000;

static long long uptime_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void mount_one(const char *type, const char *where)
{
	mkdir(where, 0755);
	/* The kernel mounts /dev itself when it has CONFIG_DEVTMPFS_MOUNT. */
	if (mount(type, where, type, 0, NULL) && errno != EBUSY)
		give_up("mounting %s: %s", where, strerror(errno));
}

/* "level,sequence,microseconds,flags;text\n KEY=value..." */
static void send_kernel_message(char *record, ssize_t size)
{
	unsigned int prefix;
	unsigned long long seq;
	long long when;
	char *text, *end;

	record[size] = '\0';
	if (sscanf(record, "%u,%llu,%lld,", &prefix, &seq, &when) != 3)
		return;
	text = strchr(record, ';');
	if (!text)
		return;
	end = strchr(++text, '\n');
	if (end)
		*end = '\0';
	/* The lower three bits are the level, the others the facility. */
	prefix &= 7;
	if (prefix <= LOG_WARNING || when >= init_started_us)
		send('K', "%u %s", prefix, text);
}

static void forward_kernel_log(void)
{
	char record[8192];

	for (;;) {
		ssize_t n = read(kmsg_fd, record, sizeof(record) - 1);

		if (n > 0) {
			send_kernel_message(record, n);
			heartbeat();
		} else if (n < 0 && errno == EPIPE) {
			send('K', "%u init: kernel messages were lost", LOG_WARNING);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else {
			return;
		}
	}
}

static void flush_line(struct stream *s, char type)
{
	send_frame(type, s->line, s->used);
	s->used = 0;
}

/* Returns false at the end of the stream. */
static bool forward_stream(struct stream *s)
{
	char chunk[512];
	ssize_t n = read(s->fd, chunk, sizeof(chunk));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	for (ssize_t i = 0; i < n; i++) {
		if (chunk[i] == '\n') {
			flush_line(s, s->type);
			continue;
		}
		if (s->used == sizeof(s->line))
			flush_line(s, tolower(s->type));
		s->line[s->used++] = chunk[i];
	}
	if (n <= 0 && s->used)
		flush_line(s, s->type);
	return n > 0;
}

static size_t read_file(const char *path, char *data, size_t size)
{
	size_t used = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		while (used < size - 1 &&
		       (n = read(fd, data + used, size - 1 - used)) > 0)
			used += n;
		close(fd);
	}
	data[used] = '\0';
	return used;
}

/* Show where every thread of user space is, and every kernel thread that is stuck. */
static void report_threads(void)
{
	char path[600], text[4096], *line, *next, *state;
	struct dirent *process, *thread;
	DIR *processes = opendir("/proc"), *threads;

	while (processes && (process = readdir(processes))) {
		if (!isdigit(process->d_name[0]) || !strcmp(process->d_name, "1"))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", process->d_name);
		threads = opendir(path);
		while (threads && (thread = readdir(threads))) {
			bool kernel;

			if (!isdigit(thread->d_name[0]))
				continue;
			snprintf(path, sizeof(path), "/proc/%.10s/task/%.10s/cmdline",
				 process->d_name, thread->d_name);
			kernel = !read_file(path, text, sizeof(text));
			snprintf(path, sizeof(path), "/proc/%.10s/task/%.10s/stat",
				 process->d_name, thread->d_name);
			read_file(path, text, sizeof(text));
			state = strrchr(text, ')');
			if (!state || state[1] != ' ')
				continue;
			if (kernel && state[2] != 'D' && state[2] != 'Z')
				continue;
			state[3] = '\0';
			send('P', "thread %s", text);
			snprintf(path, sizeof(path), "/proc/%.10s/task/%.10s/stack",
				 process->d_name, thread->d_name);
			read_file(path, text, sizeof(text));
			for (line = text; *line; line = next) {
				next = line + strcspn(line, "\n");
				if (*next)
					*next++ = '\0';
				send('P', "    %s", line);
			}
		}
		if (threads)
			closedir(threads);
	}
	if (processes)
		closedir(processes);
}

static pid_t start_scenario(char **words, struct stream *out, struct stream *err)
{
	int out_pipe[2], err_pipe[2];
	pid_t pid;

	if (pipe2(out_pipe, O_CLOEXEC) || pipe2(err_pipe, O_CLOEXEC))
		give_up("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		give_up("fork: %s", strerror(errno));
	if (!pid) {
		sigset_t none;
		int null = open("/dev/null", O_RDONLY);

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		dup2(null, 0);
		close(null);
		dup2(out_pipe[1], 1);
		dup2(err_pipe[1], 2);
		execv(words[0], words);
		fprintf(stderr, "init: cannot run %s: %s\n", words[0], strerror(errno));
		_exit(127);
	}
	close(out_pipe[1]);
	close(err_pipe[1]);
	fcntl(out_pipe[0], F_SETFL, O_NONBLOCK);
	fcntl(err_pipe[0], F_SETFL, O_NONBLOCK);
	out->fd = out_pipe[0];
	err->fd = err_pipe[0];
	return pid;
}

/*
 * Wait for PID to end, forwarding everything, at most until UNTIL (ms of uptime).
 * PID 0 waits until there is no process left.
 *
 * Return: whether it ended; *status is its wait status.
 */
static bool wait_for(pid_t pid, int signals, struct stream *streams, long until,
		     int *status)
{
	struct signalfd_siginfo ignored;

	for (;;) {
		struct pollfd fds[4] = {
			{ .fd = signals, .events = POLLIN },
			{ .fd = kmsg_fd, .events = POLLIN },
			{ .fd = streams[0].fd, .events = POLLIN },
			{ .fd = streams[1].fd, .events = POLLIN },
		};
		pid_t ended;
		int one;

		heartbeat();
		while ((ended = waitpid(-1, &one, WNOHANG)) > 0) {
			if (ended == pid) {
				*status = one;
				return true;
			}
		}
		if (!pid && ended < 0)
			return true;
		if (uptime_ms() >= until)
			return false;
		poll(fds, 4, heartbeat_ms < 200 ? heartbeat_ms : 200);
		while (read(signals, &ignored, sizeof(ignored)) > 0)
			;
		forward_kernel_log();
		for (int i = 0; i < 2; i++) {
			if (streams[i].fd >= 0 && fds[2 + i].revents &&
			    !forward_stream(&streams[i])) {
				close(streams[i].fd);
				streams[i].fd = -1;
			}
		}
	}
}

static void drain(struct stream *s)
{
	struct pollfd ready = { .fd = s->fd, .events = POLLIN };

	while (s->fd >= 0 && poll(&ready, 1, 0) > 0) {
		heartbeat();
		if (!forward_stream(s)) {
			close(s->fd);
			s->fd = -1;
		}
	}
	/* A process that survives SIGKILL may still hold the other end. */
	if (s->used)
		flush_line(s, s->type);
}

/*
 * Have kmemleak, where the kernel has it, scan once all memory is LEAK_MS old; and twice, since it
 * reports only what did not change in between. What it found is logged as errors.
 */
static void log_leaks(int signals, struct stream *streams)
{
	static char leaks[32768];
	int fd = open(KMEMLEAK, O_WRONLY | O_CLOEXEC);
	int status;
	pid_t pid;

	if (fd < 0)
		return;
	wait_for(-1, signals, streams, uptime_ms() + LEAK_MS, &status);
	/* It takes minutes, so another process waits for it. */
	pid = fork();
	if (!pid)
		_exit(write(fd, "scan", 4) < 0 || write(fd, "scan", 4) < 0 ? errno : 0);
	if (pid < 0 || !wait_for(pid, signals, streams, LONG_MAX, &status) || status)
		give_up("kmemleak does not scan: %s",
			strerror(pid < 0 ? errno : WEXITSTATUS(status)));
	close(fd);
	read_file(KMEMLEAK, leaks, sizeof(leaks));
	for (char *line = strtok(leaks, "\n"); line; line = strtok(NULL, "\n")) {
		char text[300];
		int length = snprintf(text, sizeof(text), "<3>kmemleak: %.250s\n", line);

		write_all(kmsg_fd, text, length);
	}
}

int main(void)
{
	static struct stream streams[2] = { { .fd = -1, .type = 'O' },
					    { .fd = -1, .type = 'E' } };
	static const char end_mark[] = "<6>init: the scenario is over\n";
	static char text[32768];
	char *words[MAX_WORDS + 1];
	bool ended, all_gone;
	int signals, status = 0, count = 0, leaks;
	sigset_t child;
	size_t size;
	pid_t pid;

	umask(022);
	mount_one("proc", "/proc");
	mount_one("sysfs", "/sys");
	mount_one("devtmpfs", "/dev");
	open_report();
	if (access("/scenario", F_OK))
		wait_for_scenario();
	init_started_us = uptime_us();
	send('B', "%ld", uptime_ms());
	mount_one("debugfs", "/sys/kernel/debug");
	mount_one("tracefs", "/sys/kernel/tracing");
	mount_one("tmpfs", "/tmp");
	mount_one("tmpfs", "/run");
	mount_one("tmpfs", "/dev/shm");
	mount_one("devpts", "/dev/pts");

	read_file("/scenario/settings", text, sizeof(text));
	if (sscanf(text, "heartbeat_ms=%d limit_ms=%ld leaks=%d", &heartbeat_ms,
		   &limit_ms, &leaks) != 3)
		give_up("/scenario/settings: not understood");
	size = read_file("/scenario/words", text, sizeof(text));
	for (size_t i = 0; i < size && count < MAX_WORDS; i += strlen(text + i) + 1)
		words[count++] = text + i;
	words[count] = NULL;
	if (!count)
		give_up("/scenario/words: empty");

	kmsg_fd = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (kmsg_fd < 0)
		give_up("/dev/kmsg: %s", strerror(errno));
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signals = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/tmp", 1);
	unsetenv("TERM");

	forward_kernel_log();
	pid = start_scenario(words, &streams[0], &streams[1]);
	ended = wait_for(pid, signals, streams, limit_ms, &status);
	if (!ended) {
		send('P', "the time is over; where everybody is:");
		report_threads();
	}

	/* Whatever it left running goes now, so that the kernel can still complain about it. */
	kill(-1, SIGKILL);
	all_gone = wait_for(0, signals, streams, uptime_ms() + REAP_MS, &status);
	if (!all_gone) {
		send('P', "some processes survive SIGKILL:");
		report_threads();
	}
	drain(&streams[0]);
	drain(&streams[1]);
	if (leaks)
		log_leaks(signals, streams);
	/* A message without a newline cannot be read until the next one is there. */
	write_all(kmsg_fd, end_mark, strlen(end_mark));
	forward_kernel_log();

	if (!ended)
		send('V', "time");
	else if (!all_gone)
		send('V', "stuck processes survive SIGKILL");
	else if (WIFSIGNALED(status))
		send('V', "signal %d", WTERMSIG(status));
	else
		send('V', "exit %d", WEXITSTATUS(status));
	power_off();
}
