// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a stock Linux guest with 2 CPUs in a stock QEMU goes to another instance and back, again and
 * again, from the first moment of its boot on: it boots, computes on both CPUs, no round is wrong, and the
 * instance that it left has no VM. On the Intel machine each block of its virtio disk has what was written
 * there last, and each frame between its two virtio interfaces comes, once and whole.
 *
 * How long it stood still is printed, least, median and most.
 *
 * fails when: the tool is the mutant events-left-out (after some moves a CPU stands still), and, on Intel,
 * rights of unusable segments are compared. A frame that does not come was noticed (sent by the wrong
 * interface); that a wrong block would be was not tried.
 *
 * needs: linux
 * needs: tool
 * machine: --memory 1536 --time 300
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
	linux_moves(LINUX_CPUS, scaled(40));
	unload_two();
	return tap_end();
}
