// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: where the firmware has locked VMX off vac does not load, says so in one line with the MSR's
 * value, and leaves nothing: no device, no sysfs, CR4 and IA32_FEAT_CTL of each CPU as they were. Where
 * the kernel offers VMX all the same, as under tboot with VMX enabled inside SMX alone, vac loads:
 * the module pose-as-measured makes the kernel offer it.
 *
 * machine: --locked-off
 *
 * fails when: the firmware does not lock it off (no --locked-off): vac loads; and when vac does not
 * read the MSR (mutant vmx-locked-off-is-not-told), or trusts it more than the kernel (mutant
 * feature-control-overrules-the-kernel).
 *
 * only: intel
 * series: first
 */
#include <errno.h>

#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define MSR_IA32_FEAT_CTL  0x3a
#define LOCKED_WITHOUT_VMX 1

int main(void)
{
	struct klog log;
	uint64_t value;
	int cpu;

	need(mod_insert_needed(), "what modules need loads");
	for (cpu = 0; cpu < 2; cpu++) {
		need(cpu_read_msr(cpu, MSR_IA32_FEAT_CTL, &value),
		     "IA32_FEAT_CTL of CPU %d is read", cpu);
		ok_is(value, LOCKED_WITHOUT_VMX, "it is locked without VMX");
	}
	need(klog_mark(&log), "the kernel log is marked");
	ok_refused(mod_insert("vac", ""), EPERM, "vac does not load");
	ok(klog_find(&log, "vac: refused firmware locked (IA32_FEAT_CTL is 0x1)"),
	   "it says why");
	if (!ok_is(klog_count(&log, "vac:"), 1, "in one line"))
		klog_show(&log);
	klog_end(&log);
	ok(!sys_there(VAC) && !sys_there("/dev/kvm") && !mod_loaded("vac"),
	   "it leaves nothing");
	for (cpu = 0; cpu < 2; cpu++) {
		ok_is(cpu_virt(cpu), 0, "CR4.VMXE of CPU %d is off", cpu);
		ok(!cpu_read_msr(cpu, MSR_IA32_FEAT_CTL, &value) &&
			   value == LOCKED_WITHOUT_VMX,
		   "IA32_FEAT_CTL of CPU %d is as before", cpu);
	}
	need(mod_insert("pose-as-measured", ""), "the kernel offers VMX all the same");
	ok_errno(mod_insert("vac", ""), "then vac loads");
	ok_errno(mod_remove_within("vac", 5), "and unloads");
	need(mod_remove("pose-as-measured"), "the kernel does so no more");
	ok_refused(mod_insert("vac", ""), EPERM, "vac does not load again");
	return tap_end();
}
