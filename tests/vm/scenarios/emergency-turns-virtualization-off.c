// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: what the kernel runs on each CPU on its way into a crash kernel or an emergency reboot
 * switches virtualization off there, with VMs of two instances alive (hazard 3). On AMD the
 * kernel does that itself, without calling KVM: neither vac nor an instance may prevent it.
 * On Intel it calls vac, which calls each instance first. EFER.SVME and VM_HSAVE_PA, or
 * CR4.VMXE, are read from each CPU afterwards. Nobody may enter a guest then, so the VMs are
 * ones whose vCPUs do not run; on Intel, where a vCPU could not even be destroyed any more, they
 * have none (crash-path-clears-every-vmcs is about those).
 *
 * fails when: the module does not call the kernel's function (SVME stays on).
 */
#include "../guest/vmm.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"

int main(void)
{
	struct vm *vm[2];
	struct vcpu *v;
	uint64_t hsave;
	int cpu, t;

	load_two();
	for (t = 0; t < 2; t++) {
		need(vm_create(&vm[t], device_of(tags[t]), 0), "%s makes a VM", tags[t]);
		if (!cpu_intel())
			need(vcpu_create(vm[t], &v), "%s makes a vCPU", tags[t]);
	}
	ok_virt(1, "with VMs of both");
	ok_errno(mod_insert("emergency", ""), "the emergency path runs on each CPU");
	for (cpu = 0; cpu < cpu_count(); cpu++) {
		ok_is(cpu_virt(cpu), 0, "virtualization of CPU %d is off", cpu);
		if (!cpu_intel())
			ok(!cpu_read_msr(cpu, MSR_VM_HSAVE_PA, &hsave) && !hsave,
			   "CPU %d has no host-save area", cpu);
	}
	for (t = 0; t < 2; t++)
		vm_destroy(vm[t]);
	ok_virt(0, "when the VMs are gone");
	ok_errno(mod_remove("emergency"), "the module leaves");
	unload_two();
	return tap_end();
}
