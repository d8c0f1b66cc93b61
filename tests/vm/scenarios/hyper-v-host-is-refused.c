// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: where the kernel runs on Hyper-V vac does not load, says why in one line, and leaves
 * nothing: no device, no sysfs, virtualization off on each CPU; elsewhere it loads (hazard 18).
 *
 * No emulator here is Hyper-V: a module makes the kernel believe that it is.
 *
 * fails when: the kernel does not believe it (pose-as-hyper-v is not loaded): vac loads.
 *
 * series: first
 */
#include <errno.h>

#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

int main(void)
{
	struct klog log;
	int cpu;

	need(mod_insert_needed(), "what modules need loads");
	need(mod_insert("pose-as-hyper-v", ""), "the host is Hyper-V");
	need(klog_mark(&log), "the kernel log is marked");
	ok_is(mod_insert("vac", ""), -EOPNOTSUPP, "vac does not load");
	ok_is(klog_count(&log, "this host runs on Hyper-V"), 1,
	      "and says why in one line");
	klog_end(&log);
	ok(!sys_there(VAC) && !sys_there("/dev/kvm") && !mod_loaded("vac"),
	   "it leaves nothing");
	for (cpu = 0; cpu < 2; cpu++)
		ok_is(cpu_virt(cpu), 0, "virtualization of CPU %d is off", cpu);
	ok_errno(mod_remove("pose-as-hyper-v"), "the host is what it was");
	ok_errno(mod_insert("vac", ""), "vac loads");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
