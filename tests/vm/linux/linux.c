// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "linux.h"

/*
 * quiet, cryptomgr.notests: characters and seconds are expensive in a machine inside a machine.
 * no_timer_check: the timer is late where the CPUs are emulated, not broken.
 * reboot=t: the reset is a triple fault, which needs no device.
 * init_hw_perf_events writes MSRs that the emulated CPU lacks, about which KVM complains;
 * cmos_init waits five seconds for a clock that a microvm does not have.
 */
#define COMMAND_LINE                                                        \
	"console=ttyS0,115200n8 quiet panic=-1 reboot=t cryptomgr.notests " \
	"no_timer_check nokaslr mitigations=off random.trust_cpu=on "       \
	"initcall_blacklist=init_hw_perf_events,cmos_init"

#define DISK_SIZE (1 << 20)

static char why[1200];

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

static __attribute__((format(printf, 3, 4))) int fail(struct linux_guest *g, int err,
						      const char *fmt, ...)
{
	unsigned int i;
	va_list ap;
	int n;

	n = snprintf(why, sizeof(why), "guest on %s: ", g->device);
	va_start(ap, fmt);
	n += vsnprintf(why + n, sizeof(why) - n, fmt, ap);
	va_end(ap);
	for (i = 0; i < 4; i++)
		if (*g->last[i] && n < (int)sizeof(why))
			n += snprintf(why + n, sizeof(why) - n, "%s%s",
				      i ? " | " : "; it wrote: ", g->last[i]);
	return err;
}

const char *linux_why(void)
{
	return why;
}

/* Without XSAVE: the sizes that the emulated CPU gives contradict each other. */
static _Noreturn void run_qemu(const char *device, const struct linux_options *options)
{
	char cpus[12], drive[80], disk[] = "/tmp/disk.XXXXXX";
	/* clang-format off */
	const char *args[64] = {
		"qemu-system-x86_64", "-accel", "kvm", "-cpu", "host,-xsave", "-smp", cpus,
		"-m", "192", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-M", "microvm,x-option-roms=off,pit=off,pic=off,rtc=off,isa-serial=on,"
		"auto-kernel-cmdline=off", "-serial", "stdio", "-kernel", "/guest/vmlinux",
		"-initrd", "/guest/initramfs", "-append", COMMAND_LINE,
	};
	const char * const devices[] = {
		"-drive", drive, "-device", "virtio-blk-device,drive=d",
		"-netdev", "hubport,id=n0,hubid=0", "-device", "virtio-net-device,netdev=n0",
		"-netdev", "hubport,id=n1,hubid=0", "-device", "virtio-net-device,netdev=n1",
	};
	/* clang-format on */
	int fd, n = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(cpus, sizeof(cpus), "%d", options->cpus);
	if (options->devices) {
		fd = mkstemp(disk);
		if (fd < 0 || ftruncate(fd, DISK_SIZE))
			fprintf(stderr, "%s: %s\n", disk, strerror(errno));
		/* It goes with QEMU. */
		snprintf(drive, sizeof(drive),
			 "file=/proc/self/fd/%d,format=raw,if=none,id=d", fd);
		unlink(disk);
		while (args[n])
			n++;
		memcpy(args + n, devices, sizeof(devices));
	}
	if (strcmp(device, "/dev/kvm") &&
	    (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	     mount(device, "/dev/kvm", NULL, MS_BIND, NULL)))
		fprintf(stderr, "cannot put %s at /dev/kvm: %s\n", device,
			strerror(errno));
	else
		execv("/usr/bin/qemu-system-x86_64", (char **)args);
	fprintf(stderr, "cannot run QEMU: %s\n", strerror(errno));
	_exit(127);
}

int linux_start(struct linux_guest *g, const char *device,
		const struct linux_options *options)
{
	int to[2], from[2];

	memset(g, 0, sizeof(*g));
	snprintf(g->device, sizeof(g->device), "%s", device);
	if (options)
		g->options = *options;
	if (!g->options.cpus)
		g->options.cpus = LINUX_CPUS;
	if (pipe2(to, O_CLOEXEC))
		return fail(g, -errno, "pipe: %s", strerror(errno));
	if (pipe2(from, O_CLOEXEC)) {
		close(to[0]);
		close(to[1]);
		return fail(g, -EMFILE, "no pipe");
	}
	g->pid = fork();
	if (!g->pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		dup2(from[1], 2);
		run_qemu(device, &g->options);
	}
	close(to[0]);
	close(from[1]);
	g->in = to[1];
	g->out = from[0];
	fcntl(g->out, F_SETFL, O_NONBLOCK);
	if (g->pid < 0) {
		g->pid = 0;
		close(g->in);
		close(g->out);
		return fail(g, -EAGAIN, "fork failed");
	}
	return 0;
}

/* The rounds in a beat, and what its devices did; false if they are of fewer CPUs. */
static bool take_rounds(struct linux_guest *g, const char *beat)
{
	unsigned long rounds[LINUX_MAX_CPUS], blocks, frames;
	char *at = strstr(beat, "rounds=");
	int i;

	if (!at)
		return false;
	at += strlen("rounds=");
	for (i = 0; i < g->options.cpus; i++) {
		rounds[i] = strtoul(at, &at, 10);
		if (*at == ',')
			at++;
		else if (i < g->options.cpus - 1)
			return false;
	}
	if (sscanf(at, " blocks=%lu frames=%lu", &blocks, &frames) != 2)
		return false;
	memcpy(g->rounds, rounds, i * sizeof(*rounds));
	g->blocks = blocks;
	g->frames = frames;
	return true;
}

static void take(struct linux_guest *g, const char *line)
{
	unsigned long n, uptime, wrong;
	char *beat = strstr(line, "guest: beat ");
	int cpus;

	if (beat && sscanf(beat, "guest: beat %lu cpus=%d uptime=%lu wrong=%lu", &n,
			   &cpus, &uptime, &wrong) == 4) {
		g->cpus = cpus;
		if (!take_rounds(g, beat))
			return; /* fewer CPUs: cpus says so */
		g->beats = n + 1;
		g->uptime_ms = uptime;
		g->wrong = wrong;
		return;
	}
	if (*line) {
		memmove(g->last[0], g->last[1], 3 * sizeof(g->last[0]));
		snprintf(g->last[3], sizeof(g->last[3]), "%.190s", line);
	}
}

int linux_look(struct linux_guest *g)
{
	char chunk[512];
	ssize_t n, i;
	int status;

	if (!g->pid)
		return fail(g, -ESRCH, "it has ended");
	while ((n = read(g->out, chunk, sizeof(chunk))) > 0) {
		for (i = 0; i < n; i++) {
			if (chunk[i] != '\n') {
				if (chunk[i] >= ' ' && g->used < sizeof(g->line) - 1)
					g->line[g->used++] = chunk[i];
				continue;
			}
			g->line[g->used] = '\0';
			g->used = 0;
			take(g, g->line);
		}
	}
	if (waitpid(g->pid, &status, WNOHANG) != g->pid)
		return 0;
	close(g->in);
	close(g->out);
	g->pid = 0;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return -ESRCH;
	return fail(g, -ECHILD, "QEMU ended with %s %d",
		    WIFEXITED(status) ? "status" : "signal",
		    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* One look, after at most a fifth of a second of waiting for something to see. */
static int look_again(struct linux_guest *g)
{
	struct pollfd out = { .fd = g->out, .events = POLLIN };

	poll(&out, 1, 200);
	return linux_look(g);
}

int linux_wait_up(struct linux_guest *g, int seconds)
{
	long end = now_ms() + seconds * 1000L;
	int r = linux_look(g);

	while (!r && !g->beats && now_ms() < end)
		r = look_again(g);
	if (r)
		return r == -ESRCH ? fail(g, r, "it ended before its init counted") : r;
	return g->beats ? 0
			: fail(g, -ETIMEDOUT, "no sign of its init after %d s", seconds);
}

int linux_advances(struct linux_guest *g, unsigned int rounds, int seconds)
{
	long end = now_ms() + seconds * 1000L;
	unsigned long from[LINUX_MAX_CPUS], beats, blocks, frames;
	int i, cpus = g->options.cpus, r = linux_look(g);
	bool busy;

	memcpy(from, g->rounds, sizeof(from));
	blocks = g->blocks;
	frames = g->frames;
	for (beats = g->beats; !r; r = look_again(g)) {
		for (i = 0; i < cpus && g->rounds[i] >= from[i] + rounds; i++)
			;
		busy = !g->options.devices || (g->blocks > blocks && g->frames > frames);
		if (g->wrong)
			return fail(g, -EILSEQ, "%lu rounds of its work came out wrong",
				    g->wrong);
		if (i == cpus && busy)
			return 0;
		if (now_ms() < end)
			continue;
		if (i == cpus)
			return fail(g, -ETIMEDOUT,
				    "%lu blocks and %lu frames in %d s (%lu beats)",
				    g->blocks - blocks, g->frames - frames, seconds,
				    g->beats - beats);
		return fail(g, -ETIMEDOUT, "CPU %d did %lu rounds in %d s (%lu beats)", i,
			    g->rounds[i] - from[i], seconds, g->beats - beats);
	}
	return fail(g, r, "it ended");
}

int linux_stop(struct linux_guest *g, int seconds)
{
	long end = now_ms() + seconds * 1000L;
	int r = linux_look(g);

	if (r)
		return fail(g, -ECHILD, "it had ended before it was told to stop");
	if (write(g->in, "stop\n", 5) != 5)
		return fail(g, -EPIPE, "its console takes no input");
	while (!r && now_ms() < end)
		r = look_again(g);
	if (r == -ESRCH)
		return 0;
	if (!r) {
		kill(g->pid, SIGKILL);
		waitpid(g->pid, NULL, 0);
		close(g->in);
		close(g->out);
		g->pid = 0;
		return fail(g, -ETIMEDOUT, "it did not stop in %d s, and was killed",
			    seconds);
	}
	return r;
}
