// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: two instances run guests at the same time on a kernel of another flavour, two vCPUs
 * each; a CPU goes and comes back meanwhile; then both leave, and vac does.
 *
 * On a PREEMPT_RT kernel a contended spinlock_t that is taken with interrupts or preemption off
 * shows in the kernel log: so the load includes IPIs and CPU hotplug.
 *
 * needs: 2 more instances
 *
 * fails when: see flavours-run-guests.t, which runs it.
 */
#include "../vm/guest/work.h"
#include "../vm/lib/cpu.h"
#include "../vm/lib/instances.h"
#include "../vm/lib/mod.h"
#include "../vm/lib/tap.h"

static const char * const both[2] = { "c", "d" };

static void advance(struct work *w[2], const char *when)
{
	int i;

	for (i = 0; i < 2; i++)
		if (!ok(!work_advances(w[i], 3, 60), "guests of %s run %s", both[i],
			when))
			diag("  %s", work_why());
}

int main(void)
{
	struct work *w[2];
	int i;

	load_vac();
	for (i = 0; i < 2; i++)
		need(load_instance(both[i]), "%s loads", both[i]);
	for (i = 0; i < 2; i++)
		if (work_start(&w[i], device_of(both[i]), payload_find("mix"), 2, 0,
			       -1)) {
			diag("%s", work_why());
			need(-1, "guests of %s start", both[i]);
		}
	ok_virt(1, "with guests of both");
	advance(w, "at the same time");
	ok_errno(cpu_online(1, false), "a CPU goes");
	advance(w, "on the CPU that is left");
	ok_errno(cpu_online(1, true), "it comes back");
	ok_virt(1, "then");
	advance(w, "on both CPUs");
	for (i = 0; i < 2; i++)
		ok_errno(work_stop(w[i]), "guests of %s end", both[i]);
	ok_virt(0, "after the last VM");
	for (i = 0; i < 2; i++)
		ok_errno(unload_instance(both[i]), "%s unloads", both[i]);
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
