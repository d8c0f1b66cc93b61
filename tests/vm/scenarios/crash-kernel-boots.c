// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a real panic, with guests of two instances running on each CPU and a crash kernel loaded,
 * boots that (hazards 1 and 3): virtualization is off on each CPU, and the crash kernel can start the
 * other CPU.
 *
 * The CPU that panics is looked at when nothing is left to do but the jump (/modules/before-jump.ko).
 * The other stops in an NMI. In the crash kernel it is started by INIT, which a CPU with GIF 0 does not
 * take: that it comes is how it is seen. EFER reaches the crash kernel as it was left. What an Intel CPU
 * does in a panic is looked at by panic-clears-every-vmcs.
 *
 * CPU 0 panics, since the INIT of another kernel would reset the machine if it was sent to that.
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
