// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: the process that moves a VM may be killed at any time: the VM goes on, whole, on one of
 * both instances, and what was made of a second one goes. A VM that cannot be moved stays as it
 * was, and the reason is said.
 *
 * On the AMD machine it is as vm-moves-between-instances is.
 *
 * fails when: mutant logging-is-overlooked. What is wrong at one instant only is for
 * tests/tool/vmm-outlives-its-mover.t, which kills at each.
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

#include <dirent.h>
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

/* The process that moves it is a child of multikvm's. */
static pid_t child_of(pid_t parent)
{
	struct dirent *entry;
	char path[32], text[256];
	pid_t found = 0, pid, of;
	DIR *proc = opendir("/proc");
	FILE *file;

	while (proc && !found && (entry = readdir(proc))) {
		pid = atoi(entry->d_name);
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		file = pid > 0 ? fopen(path, "r") : NULL;
		if (!file)
			continue;
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
		if (strrchr(text, ')') &&
		    sscanf(strrchr(text, ')'), ") %*c %d", &of) == 1 && of == parent)
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

/* Kills it after that time; whether it came to that. */
static bool kills_mover(pid_t pid, const char *to, int ms)
{
	pid_t command = fork(), guard = 0;
	int status, tries;
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	if (!command) {
		fclose(stdout);
		fclose(stderr);
		execl("/usr/bin/multikvm", "multikvm", "move", text, to, "--max-pause",
		      "5000", NULL);
		_exit(127);
	}
	for (tries = 0; !guard && tries < 1000; tries++) {
		guard = child_of(command);
		usleep(1000);
	}
	usleep(ms * 1000);
	if (guard)
		kill(guard, SIGKILL);
	waitpid(command, &status, 0);
	return guard && WIFEXITED(status) && WEXITSTATUS(status) == 4;
}

/* The VM is on one of them, whole, at any time. */
static void outlives_the_mover(void)
{
	int i, ms, killed = 0;
	pid_t pid = start(payload_find("mix"));
	bool well = advances(pid, 2);

	for (i = 0; well && i < scaled(30); i++) {
		ms = i * 1500 / scaled(30);
		killed += kills_mover(pid, instance_number("a", "vms") ? "b" : "a", ms);
		well = advances(pid, 1);
		if (!well)
			diag("  killed after %d ms: %s", ms, shared->why);
	}
	ok(well && killed > i / 4,
	   "a VM goes on when its mover is killed: %d of %d times", killed, i);
	sleep(8);
	well = instance_number("a", "vms") + instance_number("b", "vms") == 1;
	if (!ok(well, "there is one VM then"))
		diag("  %lld on a, %lld on b", instance_number("a", "vms"),
		     instance_number("b", "vms"));
	finish(pid);
	ok(!*shared->why, "it ends well %s", shared->why);
}

static void refuses(void)
{
	pid_t pid = start(payload_find("dirty-log"));
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	ok(advances(pid, 1), "a VM whose memory is logged runs");
	tool_says(tool("move", text, "a"), 3, "on a already", "not to where it is");
	tool_says(tool("move", text, "c"), 2, "not loaded", "nor to what is not loaded");
	tool_says(tool("move", "1", "b"), 2, "no process with a VM", "nor what is no VM");
	tool_says(tool("move", text, "b"), 3, "memory is being logged",
		  "a VM that is logged is not moved");
	ok(advances(pid, 2), "and goes on");
	finish(pid);
	ok(!*shared->why, "to its end %s", shared->why);
	ok_is(instance_number("b", "vms"), 0, "nothing is left of it on b");
}

int main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	tool_folders();
	load_two();
	outlives_the_mover();
	refuses();
	unload_two();
	return tap_end();
}
