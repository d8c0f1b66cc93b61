// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/tap.h"
#include "../lib/tool.h"
#include "linux.h"
#include "moves.h"

#define MOST	     100 /* moves */
#define BOOT_SECONDS 200
#define ROUNDS	     10

static double stood[MOST]; /* ms */
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

void linux_moves(int cpus, int most)
{
	struct linux_options options = { .cpus = cpus, .devices = cpu_intel() };
	struct linux_guest g;
	bool well = true;
	int err;

	moves = 0;
	most = most > MOST ? MOST : most;
	need(linux_start(&g, device_of("a"), &options), "Linux with %d CPU%s starts on a",
	     cpus, cpus == 1 ? "" : "s");
	ok_is(instance_number_within("a", "vms", 1, 30), 1, "it is there");
	while (well && moves < most / 4)
		well = move_on(&g);
	ok(well, "%d moves from the start of its boot", moves);
	err = linux_wait_up(&g, BOOT_SECONDS);
	if (!ok(!err, "it reaches its init"))
		diag("  %s", linux_why());
	while (well && !err && moves < most) {
		well = move_on(&g);
		err = linux_advances(&g, ROUNDS, 60);
	}
	if (!ok(well && !err,
		"%d moves, and after each all CPUs compute, and devices go on", moves))
		diag("  %s", linux_why());
	ok(g.cpus == cpus && !g.wrong, "with %d CPUs, %lu things wrong", g.cpus, g.wrong);
	ok_errno(linux_stop(&g, 60), "it stops when it is told");
	diag("%lu blocks, %lu frames", g.blocks, g.frames);
	if (moves) {
		qsort(stood, moves, sizeof(stood[0]), compare);
		diag("it stood still for %.2f, %.2f, %.2f ms", stood[0], stood[moves / 2],
		     stood[moves - 1]);
	}
}
