// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a QEMU that still makes its VM, with vCPU after vCPU, or executes its firmware, is moved and
 * moved back, or refused because the VM changes all the time; it is never taken for one that has
 * closed a file.
 *
 * fails when: vm_find() does not look again at a vCPU that has pages and no file yet (10 of 200).
 *
 * needs: linux
 * needs: tool
 * machine: --memory 1536 --time 600
 * test-all: amd
 * only: amd
 * series: first
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"
#include "../lib/tool.h"
#include "../linux/linux.h"

#define STARTS 100

/* To the other one, and again. */
static bool moves(struct linux_guest *g, int start)
{
	char who[16];
	int i;

	snprintf(who, sizeof(who), "%d", g->pid);
	for (i = 0; i < 2; i++)
		if (tool("move", who, instance_number("a", "vms") ? "b" : "a",
			 "--max-pause", "5000") &&
		    !strstr(tool_said, "changes its VM all the time")) {
			diag("  start %d, move %d: %s", start, i, tool_said);
			return false;
		}
	return true;
}

static void kill_guest(struct linux_guest *g)
{
	if (!g->pid)
		return;
	kill(g->pid, SIGKILL);
	waitpid(g->pid, NULL, 0);
	close(g->in);
	close(g->out);
}

int main(void)
{
	struct linux_guest g;
	int i, well = 0;

	tool_folders();
	load_two();
	for (i = 0; i < STARTS; i++) {
		need(linux_start(&g, device_of("a"), NULL), "Linux starts");
		instance_number_within("a", "vms", 1, 30);
		well += moves(&g, i);
		kill_guest(&g);
		instance_number_within("a", "vms", 0, 30);
		instance_number_within("b", "vms", 0, 30);
	}
	ok_is(well, STARTS, "so often it is moved, or refused");
	unload_two();
	return tap_end();
}
