// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a VM that does numbered I/O all the time (guest/numbered.h) goes to another instance and back,
 * twenty times, by multikvm move, and nothing is lost, doubled or out of order: port I/O, MMIO, MSRs,
 * ioeventfds, coalesced writes, interrupts, timers; its registers stay and its clocks never go back. With
 * one vCPU and two, and a VMM in a chroot, as another user, under a filter of system calls.
 *
 * How long the guest stood still, and what its clock lost, is printed.
 *
 * fails when: mutants clock-left-out, coalesced-writes-left-out, deadline-left-out, fpu-left-out,
 * irqfds-stay-on, tsc-offset-left-out.
 *
 * needs: tool
 * test-all: amd
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "../guest/numbered.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"
#include "../lib/tool.h"

#define MOVES	scaled(20)
#define BETWEEN 2 /* rounds, at least */
#define SECONDS 60
#define ASKED	20 /* devices, by a move: once each time that it tries */

static bool move_to(struct numbered *n, const char *tag)
{
	char who[16];

	numbered_may_ask(n, ASKED);
	snprintf(who, sizeof(who), "%d", numbered_pid(n));
	if (!tool("move", who, tag, "--max-pause", "10000"))
		return true;
	diag("  to %s: %s", tag, tool_said);
	return false;
}

/* It is there, and only there, and goes on. */
static bool moves(struct numbered *n, int move)
{
	const char *from = tags[move % 2], *to = tags[!(move % 2)];

	if (!move_to(n, to))
		return false;
	if (numbered_advances(n, BETWEEN, SECONDS)) {
		diag("  after move %d, on %s: %s", move, to, numbered_why());
		return false;
	}
	if (!instance_number(from, "vms") && instance_number(to, "vms") == 1)
		return true;
	diag("  move %d: %lld VMs on %s, %lld on %s", move, instance_number(from, "vms"),
	     from, instance_number(to, "vms"), to);
	return false;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void to_and_fro(int vcpus, unsigned int flags, const char *how)
{
	struct numbered_options o = { .dev = "/dev/kvm-a",
				      .vcpus = vcpus,
				      .flags = flags };
	uint64_t gap[64];
	struct numbered *n;
	int i;

	need(numbered_start(&n, &o), "a VMM starts");
	if (!ok(!numbered_runs(n, SECONDS) && !numbered_advances(n, 12, SECONDS),
		"a VM of %d vCPU runs on a%s", vcpus, how))
		diag("  %s", numbered_why());
	diag("  it stood still for %llu us at most before",
	     (unsigned long long)numbered_gap(n));
	for (i = 0; i < MOVES && moves(n, i); i++)
		gap[i] = numbered_gap(n);
	ok_is(i, MOVES, "it moves so often");
	if (i) {
		qsort(gap, i, sizeof(gap[0]), compare);
		diag("  the longest of a move: %llu, %llu, %llu us (least, median, "
		     "most); "
		     "kvmclock is %lld us behind",
		     (unsigned long long)gap[0], (unsigned long long)gap[i / 2],
		     (unsigned long long)gap[i - 1], (long long)numbered_behind(n));
	}
	for (i = 0; i < vcpus; i++)
		diag("  %s", numbered_text(n, i));
	if (!ok(!numbered_stop(n), "all that was sent has come, nothing twice"))
		diag("  %s", numbered_why());
}

int main(void)
{
	tool_folders();
	load_two();
	to_and_fro(1, 0, "");
	to_and_fro(2, NUMBERED_SECCOMP | NUMBERED_CHROOT | NUMBERED_USER, ", jailed");
	to_and_fro(2, NUMBERED_DUP | NUMBERED_STATS, ", with more files");
	to_and_fro(2, NUMBERED_SPLIT, ", with a split irqchip");
	unload_two();
	return tap_end();
}
