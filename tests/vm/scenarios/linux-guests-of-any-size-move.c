// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: what linux-guest-moves claims, with 1 CPU, with 4, and for longer with 2.
 *
 * fails when: rights of unusable segments are compared (the first move of each is refused).
 *
 * needs: linux
 * needs: tool
 * machine: --memory 1536 --time 900
 * test-all: intel
 * only: intel
 * series: first
 */
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"
#include "../lib/tool.h"
#include "../linux/linux.h"
#include "../linux/moves.h"

int main(void)
{
	tool_folders();
	load_two();
	linux_moves(1, scaled(20));
	linux_moves(LINUX_MAX_CPUS, scaled(20));
	linux_moves(LINUX_CPUS, scaled(100));
	unload_two();
	return tap_end();
}
