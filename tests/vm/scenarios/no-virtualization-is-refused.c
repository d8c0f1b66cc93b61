// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: on a CPU that offers no virtualization (the kernel is told that SVM, CPUID
 * 0x80000001 ECX bit 2, and VMX, CPUID 1 ECX bit 5, are not there) vac does not load, says why
 * in one line, and leaves nothing: no device, no sysfs, no MSR changed, CR4.VMXE off.
 *
 * machine: --append clearcpuid=194,133
 *
 * fails when: the machine boots without clearcpuid: vac loads.
 *
 * series: first
 */
#include <errno.h>
#include <string.h>

#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

int main(void)
{
	struct klog log;
	uint64_t before[2], after[2];
	int cpu, r;

	need(mod_insert_needed(), "what modules need loads");
	for (cpu = 0; cpu < 2; cpu++)
		need(cpu_read_msr(cpu, MSR_EFER, &before[cpu]), "EFER of CPU %d is read",
		     cpu);
	need(klog_mark(&log), "the kernel log is marked");
	r = mod_insert("vac", "");
	ok_is(r, -ENODEV, "vac does not load");
	ok_is(klog_count(&log, "neither SVM nor VMX"), 1, "and says why in one line");
	klog_end(&log);
	ok(!sys_there(VAC) && !sys_there("/dev/kvm") && !mod_loaded("vac"),
	   "it leaves nothing");
	for (cpu = 0; cpu < 2; cpu++) {
		ok(!cpu_read_msr(cpu, MSR_EFER, &after[cpu]) && after[cpu] == before[cpu],
		   "EFER of CPU %d is as before", cpu);
		ok_is(cpu_virt(cpu), 0, "virtualization of CPU %d is off", cpu);
	}
	return tap_end();
}
