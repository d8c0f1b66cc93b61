// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a running VM is moved to another instance and back, whatever its guest does, by multikvm
 * move: its VMM notices nothing, the guest's registers, memory, timers and interrupts are as they
 * should be, and the instance that it left can be unloaded.
 *
 * On the AMD machine some runs fail, in another payload each time, and before the first move, too: it
 * loses interrupts. Only make test-all tries it there.
 *
 * fails when: mutant old-files-stay.
 *
 * needs: tool
 * series: first
 * test-all: amd
 */
#define _GNU_SOURCE
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/tap.h"
#include "../lib/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 60
#define VCPUS	 2

/* Between the VMM, a process of its own, and this one. */
static struct shared {
	volatile int stop, ended;
	volatile uint64_t rounds;
	char why[400];
} * shared;

static struct shared *new_shared(void)
{
	return mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void vmm(const struct payload *payload)
{
	struct work *work;
	int err = work_start(&work, device_of("a"), payload, VCPUS, 0, -1);

	while (!err && !shared->stop) {
		err = work_advances(work, 1, PATIENCE);
		shared->rounds++;
	}
	if (err)
		snprintf(shared->why, sizeof(shared->why), "%s", work_why());
	else if (work_stop(work))
		snprintf(shared->why, sizeof(shared->why), "at its end: %s", work_why());
	shared->ended = 1;
	_exit(0);
}

static pid_t start(const struct payload *payload)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	fflush(NULL);
	pid = fork();
	if (!pid)
		vmm(payload);
	return pid;
}

static void finish(pid_t pid)
{
	int status;

	shared->stop = 1;
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) && !*shared->why)
		snprintf(shared->why, sizeof(shared->why), "the VMM ended by signal %d",
			 WTERMSIG(status));
}

/* All of its vCPUs have done that many rounds more. */
static bool advances(pid_t pid, uint64_t rounds)
{
	uint64_t want = shared->rounds + rounds;
	time_t since = time(NULL);

	while (shared->rounds < want && !shared->ended && time(NULL) - since < PATIENCE &&
	       !kill(pid, 0))
		usleep(2000);
	return shared->rounds >= want && !*shared->why;
}

static bool move_to(pid_t pid, const char *tag)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return !tool("move", text, tag, "--max-pause", "5000");
}

static bool moved(pid_t pid, const char *from, const char *to)
{
	if (!move_to(pid, to)) {
		diag("  to %s: %s", to, tool_said);
		return false;
	}
	diag("  %s", tool_said);
	if (instance_number(from, "vms") != 0 || instance_number(to, "vms") != 1) {
		diag("  %lld VMs on %s, %lld on %s", instance_number(from, "vms"), from,
		     instance_number(to, "vms"), to);
		return false;
	}
	if (!advances(pid, 2)) {
		diag("  on %s: %s, %llu rounds", to, shared->why,
		     (unsigned long long)shared->rounds);
		return false;
	}
	return true;
}

static void to_and_fro(const struct payload *payload, int moves)
{
	pid_t pid = start(payload);
	bool well = advances(pid, 2);
	int i;

	for (i = 0; well && i < moves; i++)
		well = moved(pid, tags[i % 2], tags[!(i % 2)]);
	finish(pid);
	if (!ok(well && !*shared->why, "%s: %d moves", payload->name, moves))
		diag("  after %d: %s", i, shared->why);
}

static void leaves_nothing(void)
{
	pid_t pid = start(payload_find("mix"));

	ok(advances(pid, 2) && moved(pid, "a", "b"), "a VM goes to b");
	ok_errno(mod_remove_within("kvm-a", 5), "a unloads");
	ok_errno(mod_insert("kvm-a", ""), "and loads");
	ok(moved(pid, "b", "a"), "the VM comes back");
	ok_errno(mod_remove_within("kvm-b", 5), "b unloads");
	ok_errno(mod_insert("kvm-b", ""), "and loads");
	finish(pid);
	ok(!*shared->why, "the VM ends well %s", shared->why);
}

/* Three VMs, and an instance that is empty then. */
static void moves_all(void)
{
	struct shared *of[3];
	pid_t pids[3];
	bool well = true;
	int i;

	need(set_default("b"), "b is the default");
	for (i = 0; i < 3; i++) {
		shared = of[i] = new_shared();
		pids[i] = start(payload_find(i ? "apic-timer" : "mix"));
		well &= advances(pids[i], 1);
	}
	ok(well, "three VMs run on a");
	tool_says(tool("move", "--all", "a", "b", "--parallel", "2", "--max-pause",
		       "5000"),
		  0, "3 VMs moved; the instance is unloaded", "all of them move");
	ok(!mod_loaded("kvm-a"), "a is unloaded");
	ok_is(instance_number("b", "vms"), 3, "they are on b");
	for (i = 0; i < 3; i++) {
		shared = of[i];
		well = advances(pids[i], 1);
		finish(pids[i]);
		if (!ok(well && !*shared->why, "VM %d goes on to its end", i))
			diag("  %s", shared->why);
	}
	ok_errno(mod_insert("kvm-a", ""), "a loads again");
}

int main(void)
{
	const struct payload *payload;

	shared = new_shared();
	tool_folders();
	load_two();
	for (payload = payloads; payload->name; payload++)
		if (strcmp(payload->name, "dirty-log"))
			to_and_fro(payload, strcmp(payload->name, "mix") ? 2 : scaled(6));
	leaves_nothing();
	moves_all();
	unload_two();
	return tap_end();
}
