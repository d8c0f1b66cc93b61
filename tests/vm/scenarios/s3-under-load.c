// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: real suspend-to-RAM, where the CPUs and their VMX state are gone and come back through
 * reset, with guests of two instances in the middle of their work: afterwards they go on and find
 * all that they keep (memory, MSRs, FPU and debug registers) as they left it, and VMX is on exactly
 * when there is a VM, on each CPU (hazard 2). A resume with no VM does not turn it on.
 *
 * The emulated machine wakes as soon as it sleeps. A guest that is entered with VMX off is an oops,
 * which leaves a CPU with interrupts off: better a panic at once than a machine that hangs.
 *
 * machine: --append oops=panic
 *
 * fails when: vac does not switch VMX on again at resume (mutant resume-forgets-vmx).
 *
 * only: intel
 */
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static void suspend(const char *when)
{
	long long before = sys_read_number("/sys/power/suspend_stats/success");

	ok_errno(sys_write("mem", "/sys/power/state"), "the machine sleeps and wakes, %s",
		 when);
	ok_is(sys_read_number("/sys/power/suspend_stats/success"), before + 1,
	      "the kernel counts it");
	ok_is(cpu_count(), 2, "both CPUs are back");
}

static void goes_on(struct work *w, const char *tag, const char *when)
{
	if (!ok(!work_advances(w, 5, 60), "guests of %s go on %s", tag, when))
		diag("  %s", work_why());
}

int main(void)
{
	struct work *w[2];
	int t;

	load_two();
	/* "deep" is real suspend-to-RAM. */
	need(sys_write("none", "/sys/power/pm_test"), "no level of a test");
	need(sys_write("deep", "/sys/power/mem_sleep"), "mem is suspend-to-RAM");
	for (t = 0; t < 2; t++)
		need(work_start(&w[t], device_of(tags[t]), payload_find("mix"), 2, 0, -1),
		     "guests of %s start", tags[t]);
	for (t = 0; t < 2; t++)
		goes_on(w[t], tags[t], "at first");
	suspend("with guests of both");
	ok_virt(1, "after that");
	for (t = 0; t < 2; t++)
		goes_on(w[t], tags[t], "after that");
	ok_errno(work_stop(w[0]), "guests of a stop");
	ok_errno(unload_instance("a"), "a unloads");
	suspend("with guests of b");
	ok_virt(1, "after that");
	goes_on(w[1], "b", "after that");
	ok_errno(work_stop(w[1]), "guests of b stop");
	ok_virt(0, "after the last VM");
	suspend("with no VM");
	ok_virt(0, "after that");

	ok_errno(load_instance("a"), "a loads again");
	for (t = 0; t < 2; t++)
		if (!ok(!payload_run(device_of(tags[t]), payload_find("io"), 2, 60),
			"a new guest of %s runs", tags[t]))
			diag("  %s", work_why());
	ok_virt(0, "at the end");
	unload_two();
	return tap_end();
}
