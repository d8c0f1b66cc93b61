// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a real kexec (reboot(LINUX_REBOOT_CMD_KEXEC), the system call of kexec -e), with guests of
 * two instances running on each CPU and user space going on until it is stopped, enters a second
 * kernel with virtualization off on every CPU, and that boots, with all CPUs (hazard 1).
 *
 * It is looked at where it can be seen as it was left. Before: /modules/before-jump.ko reads
 * EFER.SVME and CR4.VMXE of each CPU when that stops, and of the one that jumps when nothing is left
 * to do but the jump. After: on AMD EFER reaches the second kernel as the first left it, and from
 * its first CPU also the others, so it is read there. On Intel the way between clears CR4, which with
 * VMX on faults with no handler: that ends the machine, so the boot is the proof; and a CPU in VMX
 * operation does not take the INIT that starts it, so it would be missing.
 *
 * The kernel is Debian's own package, loaded with kexec_file_load().
 *
 * machine: --second-kernel msr,control-registers --time 240
 * machine intel: --memory 384
 *
 * fails when: vac leaves it on (mutant kexec-leaves-it-on), or on 6.1, whose kexec does not call
 * the hooks of syscore, has only those (mutant kexec-is-not-told).
 */
#include <errno.h>

#include "../guest/active.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/second.h"
#include "../lib/tap.h"

static int second(void)
{
	int cpu;

	need(mod_insert_needed(), "what looks at the CPUs loads");
	ok_is(cpu_count(), 2, "the second kernel has all CPUs");
	for (cpu = 0; cpu < cpu_count(); cpu++)
		ok_is(cpu_virt(cpu), 0, "it finds virtualization of CPU %d off", cpu);
	return tap_end();
}

int main(int argc, char **argv)
{
	if (second_is(argc, argv))
		return second();
	load_two();
	active_run();
	ok_virt(1, "before the kexec");
	need(mod_insert("before-jump", ""), "the CPUs can be looked at on the way");
	need(second_load(false, cpu_count()), "a second kernel is loaded");
	second_wait_for_init();
	second_enter();
	need(-errno, "the second kernel is entered");
}
