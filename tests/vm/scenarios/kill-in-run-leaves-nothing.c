// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a process killed in the middle of KVM_RUN leaves no VM, no vCPU, no reference:
 * repeatedly, on each instance alone and on both at once, and the modules unload.
 *
 * fails when: vac does not count vCPUs down (mutant vcpus-not-counted-down).
 *
 * series: first
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"

#define TIMES scaled(12)

/* A process with a VM whose two vCPUs run; 0 if it did not come so far. */
static pid_t start_victim(const char *tag, const char *payload)
{
	struct work *w;
	int ready[2];
	char c;
	pid_t pid;

	if (pipe(ready))
		return 0;
	pid = fork();
	if (!pid) {
		close(ready[0]);
		if (work_start(&w, device_of(tag), payload_find(payload), 2, 0, -1) ||
		    work_advances(w, 2, 30)) {
			diag("victim on %s: %s", tag, work_why());
			_exit(1);
		}
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &c, 1) != 1) {
		if (pid > 0)
			waitpid(pid, NULL, 0);
		pid = 0;
	}
	close(ready[0]);
	return pid;
}

static int kill_victim(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : -1;
}

static void nothing_left(const char *tag)
{
	ok_is(instance_number_within(tag, "vms", 0, 5), 0, "%s has no VM left", tag);
	ok_is(instance_number_within(tag, "vcpus", 0, 5), 0, "%s has no vCPU left", tag);
	ok_is(instance_number_within(tag, "references", 0, 5), 0,
	      "%s has no reference left", tag);
}

/* Kills processes on the instances of the mask, TIMES times. */
static void kill_many(int mask, const char *what)
{
	pid_t pid[2] = { 0, 0 };
	int i, t, good = 0, want = 0;

	for (i = 0; i < TIMES; i++) {
		for (t = 0; t < 2; t++)
			pid[t] = mask & (1 << t)
					 ? start_victim(tags[t],
							i & 1 ? "cpuid" : "compute")
					 : 0;
		if (!i) {
			for (t = 0; t < 2; t++)
				if (mask & (1 << t))
					ok_is(instance_number(tags[t], "vms"), 1,
					      "%s has a VM before", tags[t]);
		}
		usleep(1000 * (i % 7));
		for (t = 0; t < 2; t++) {
			want += !!(mask & (1 << t));
			good += pid[t] && !kill_victim(pid[t]);
		}
	}
	ok_is(good, want, "processes killed in KVM_RUN, %s", what);
	for (t = 0; t < 2; t++)
		nothing_left(tags[t]);
	ok_is(vac_number("users"), 0, "vac counts no VM, %s", what);
	ok_virt(0, "after that");
}

int main(void)
{
	load_two();
	kill_many(1, "on a");
	kill_many(2, "on b");
	kill_many(3, "on both at once");
	ok_errno(mod_remove("kvm-a"), "instance a unloads at the first attempt");
	ok_errno(mod_remove("kvm-b"), "instance b unloads at the first attempt");
	ok_errno(mod_remove("vac"), "vac unloads at the first attempt");
	return tap_end();
}
