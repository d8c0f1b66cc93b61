// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: whichever step of a move fails, while it prepares, in the pause or in the switch, the VM goes
 * on, whole, on one of both instances, mostly on that where it was, and nothing of the move is left in
 * its process. Each call and each comparison whose failure matters fails once; the VM does numbered
 * I/O meanwhile (guest/numbered.h).
 *
 * fails when: mutants helper-leaves-its-code, helper-leaves-its-files, irqfds-not-given-back,
 * old-files-not-put-back.
 *
 * needs: failing tool
 * test-all: amd intel
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../guest/numbered.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"
#include "../lib/tool.h"

#define SECONDS 60
#define ASKED	20
#define LEAST	100 /* steps */

/* What /proc/PID/WHAT has. */
static int entries(struct numbered *n, const char *what)
{
	char path[40];
	int count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/%s", numbered_pid(n), what);
	folder = opendir(path);
	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count;
}

/* One that is made as the parasite is: executable, of no file. */
static bool has_code_of_ours(struct numbered *n)
{
	char path[40], line[300], rights[8], name[100];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", numbered_pid(n));
	maps = fopen(path, "r");
	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%*s %7s %*s %*s %*s %99s", rights, name) == 1 &&
		    strchr(rights, 'x'))
			found = true;
	if (maps)
		fclose(maps);
	return found;
}

static bool is_whole(struct numbered *n, int files, int threads, int at)
{
	long long a = instance_number("a", "vms"), b = instance_number("b", "vms");
	int now = entries(n, "fd"), tasks = entries(n, "task");

	if (a + b == 1 && now == files && tasks == threads && !has_code_of_ours(n) &&
	    !numbered_advances(n, 1, SECONDS))
		return true;
	diag("  step %d: %s", at, tool_said);
	diag("  %lld VMs on a, %lld on b, %d files instead of %d, %d threads instead of "
	     "%d%s; %s",
	     a, b, now, files, tasks, threads,
	     has_code_of_ours(n) ? ", code is left" : "", numbered_why());
	return false;
}

/* Whether there is such a step: then it failed. -1: the VM is not whole. */
static int fails(struct numbered *n, int at)
{
	static int files, threads;
	char who[16], number[16];
	int status;

	if (!files) {
		files = entries(n, "fd");
		threads = entries(n, "task");
	}
	snprintf(who, sizeof(who), "%d", numbered_pid(n));
	snprintf(number, sizeof(number), "%d", at);
	setenv("MULTIKVM_FAILS_AT", number, 1);
	numbered_may_ask(n, ASKED);
	status = tool("move", who, instance_number("a", "vms") ? "b" : "a", "--max-pause",
		      "10000");
	if (status < 0 || !is_whole(n, files, threads, at))
		return -1;
	return strstr(tool_said, "fails: ") != NULL;
}

int main(void)
{
	struct numbered_options o = { .dev = "/dev/kvm-a", .vcpus = 2 };
	int last = 0, bit, at, r = 0, moved = 0;
	struct numbered *n;

	tool_folders();
	load_two();
	need(numbered_start(&n, &o), "a VMM starts");
	ok(!numbered_runs(n, SECONDS) && !numbered_advances(n, 12, SECONDS),
	   "its VM runs on a");
	for (bit = 512; bit && r >= 0; bit /= 2) {
		r = fails(n, last + bit);
		if (r > 0)
			last += bit;
	}
	ok(r >= 0 && last > LEAST, "a move has %d steps that may fail", last);
	/* The last ones first: those of the switch. */
	for (at = last; at > 0 && r >= 0; at--) {
		r = fails(n, at);
		moved += !strstr(tool_said, "multikvm: ");
	}
	ok(!at, "each fails, and the VM is whole then, %d left", at);
	ok(moved < last / 4, "mostly where it was, but for %d times", moved);
	unsetenv("MULTIKVM_FAILS_AT");
	if (!ok(!numbered_stop(n), "all that was sent has come, nothing twice"))
		diag("  %s", numbered_why());
	unload_two();
	return tap_end();
}
