// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a real panic, with guests of two instances running on each CPU and a crash kernel loaded,
 * boots that (hazards 1 and 3): virtualization is off on each CPU, and the crash kernel can start the
 * other CPU.
 *
 * The CPU that panics is checked when nothing is left to do but the jump (/modules/before-jump.ko).
 * The other stops in an NMI. The crash kernel starts it by INIT, which a CPU with GIF 0 does not
 * take: so that it comes online shows that GIF is 1. EFER reaches the crash kernel as it was left.
 * Intel CPUs in a panic are the subject of panic-clears-every-vmcs.
 *
 * CPU 0 panics, since an INIT that another kernel sends to CPU 0 would reset the machine.
 *
 * machine: --panics --second-kernel msr,control-registers --append crashkernel=192M --time 240
 *
 * fails when: in a crash virtualization stays on (mutant emergency-leaves-svme-on).
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
	ok_is(cpu_count(), 2, "it has all CPUs");
	for (cpu = 0; cpu < cpu_count(); cpu++)
		ok_is(cpu_virt(cpu), 0, "it finds virtualization of CPU %d off", cpu);
	return tap_end();
}

int main(int argc, char **argv)
{
	if (second_is(argc, argv))
		return second();
	/* Two guests on each CPU, and what ok_virt() says. */
	need(second_load(true, 2 * cpu_count() + 2, 1), "a crash kernel is loaded");
	load_two();
	active_run();
	ok_virt(1, "before the panic");
	need(mod_insert("before-jump", "crash=1"),
	     "the CPU that panics can be looked at");
	need(cpu_pin(0), "CPU 0 can be chosen");
	second_wait_for_init();
	second_crash();
	need(-EIO, "the kernel panics");
}
