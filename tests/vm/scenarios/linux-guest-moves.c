// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a stock Linux guest with 2 CPUs in a stock QEMU goes to another instance and back, again and
 * again, from the first moment of its boot on: it boots, computes on both CPUs, no round is wrong, and
 * the instance that it left has no VM.
 *
 * How long it stood still is printed, least, median and most.
 *
 * fails when: the tool is the mutant events-left-out (after some moves a CPU stands still).
 *
 * needs: linux
 * needs: tool
 * machine: --memory 1536 --time 300
 * test-all: intel
 * series: first
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/tap.h"
#include "../lib/tool.h"
#include "../linux/linux.h"

#define MOVES	     scaled(40)
#define BOOT_MOVES   (MOVES / 4)
#define BOOT_SECONDS 200
#define ROUNDS	     10

static double stood[64]; /* ms */
static int moves;

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* To the other one, from which it is gone then. */
static bool move_on(struct linux_guest *g)
{
	const char *from = tags[moves % 2], *to = tags[!(moves % 2)], *at;
	char who[16];

	snprintf(who, sizeof(who), "%d", g->pid);
	if (tool("move", who, to, "--max-pause", "5000")) {
		diag("  to %s: %s", to, tool_said);
		return false;
	}
	at = strstr(tool_said, "still for ");
	stood[moves++] = at ? atof(at + strlen("still for ")) : 0;
	if (!instance_number(from, "vms") && instance_number(to, "vms") == 1)
		return true;
	diag("  after move %d: %lld VMs on %s, %lld on %s", moves,
	     instance_number(from, "vms"), from, instance_number(to, "vms"), to);
	return false;
}

int main(void)
{
	struct linux_guest g;
	bool well = true;
	int err;

	tool_folders();
	load_two();
	need(linux_start(&g, device_of("a")), "a Linux guest starts on a");
	ok_is(instance_number_within("a", "vms", 1, 30), 1, "it is there");
	while (well && moves < BOOT_MOVES)
		well = move_on(&g);
	ok(well, "%d moves from the start of its boot", moves);
	err = linux_wait_up(&g, BOOT_SECONDS);
	if (!ok(!err, "it reaches its init"))
		diag("  %s", linux_why());
	while (well && !err && moves < MOVES) {
		well = move_on(&g);
		err = linux_advances(&g, ROUNDS, 60);
	}
	if (!ok(well && !err, "%d moves, and it computes on all CPUs after each", moves))
		diag("  %s", linux_why());
	ok(g.cpus == LINUX_CPUS && !g.wrong, "with %d CPUs, %lu rounds wrong", g.cpus,
	   g.wrong);
	ok_errno(linux_stop(&g, 60), "it stops when it is told");
	if (moves) {
		qsort(stood, moves, sizeof(stood[0]), compare);
		diag("it stood still for %.2f, %.2f, %.2f ms", stood[0], stood[moves / 2],
		     stood[moves - 1]);
	}
	unload_two();
	return tap_end();
}
