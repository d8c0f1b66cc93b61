// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: the stock kvm and kvm-amd or kvm-intel of this kernel run every payload, on one vCPU
 * and on two.
 * The control for all other scenarios: what fails here is the fault of the emulator or of the
 * test VMM, not of vac.
 *
 * fails when: the interrupt handler of entry.c does not step over a HLT that an interrupt
 * overtook (apic-timer and mix stop after some ten rounds), or a payload is told a wrong seed.
 *
 * series: first
 */
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

int main(void)
{
	const struct payload *p;
	int vcpus;

	need(mod_insert_needed(), "what kvm needs loads");
	need(mod_insert("kvm", ""), "stock kvm loads");
	need(mod_insert(stock_module(), ""), "stock %s loads", stock_module());
	for (vcpus = 1; vcpus <= 2; vcpus++)
		for (p = payloads; p->name; p++)
			if (!ok(!payload_run("/dev/kvm", p, vcpus, 60), "%s, %d vCPU",
				p->name, vcpus))
				diag("  %s", work_why());
	/* From 6.12 on it stays on until the module is unloaded. */
	if (!sys_there("/sys/module/kvm/parameters/enable_virt_at_load"))
		ok_is(cpu_virt(0), 0, "virtualization is off on CPU 0 after the last VM");
	ok_errno(mod_remove_within(stock_module(), 5), "%s unloads", stock_module());
	ok_errno(mod_remove_within("kvm", 5), "kvm unloads");
	ok_is(cpu_virt(0), 0, "virtualization is off on CPU 0 then");
	return tap_end();
}
