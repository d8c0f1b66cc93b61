// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a real kexec (reboot(LINUX_REBOOT_CMD_KEXEC), the system call of kexec -e), with guests of
 * two instances running on each CPU and user space going on until it is stopped, enters a second
 * kernel with virtualization off on every CPU, and that boots (hazard 1).
 *
 * It is checked where the state is still as it was left. Before: /modules/before-jump.ko reads
 * EFER.SVME and CR4.VMXE of each CPU when that stops, and of the one that jumps when nothing is left
 * to do but the jump. After: EFER reaches the second kernel as the first left it, and is read there, on
 * the CPU that jumped. The other stays stopped: QEMU loses interrupts between two CPUs of a second
 * kernel more often than of a first. On Intel the jump itself is the check: it clears CR4.VMXE, which
 * faults in VMX operation, so a CPU with VMX on never enters the second kernel.
 *
 * machine: --second-kernel msr,control-registers --time 240
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
	ok_is(cpu_count(), 1, "the second kernel runs on the CPU that jumped");
	for (cpu = 0; cpu < cpu_count(); cpu++)
		ok_is(cpu_virt(cpu), 0, "it finds virtualization of CPU %d off", cpu);
	return tap_end();
}

int main(int argc, char **argv)
{
	if (second_is(argc, argv))
		return second();
	/* Two guests on each CPU, and what ok_virt() says. */
	need(second_load(false, 2 * cpu_count() + 2, cpu_count()),
	     "a second kernel is loaded");
	load_two();
	active_run();
	ok_virt(1, "before the kexec");
	need(mod_insert("before-jump", ""), "the CPUs can be looked at on the way");
	second_wait_for_init();
	second_enter();
	need(-errno, "the second kernel is entered");
}
