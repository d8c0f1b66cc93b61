// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: what the kernel runs on each CPU on its way into a crash kernel or an emergency reboot
 * clears every VMCS of every instance there and switches VMX off (hazard 3). Else a VMCS that the
 * CPU still holds would be written back into the memory of the crash kernel.
 *
 * Eight VMCSs are launched and active, two of each instance on each CPU. /modules/crash-path.ko
 * checks each before and after, on its CPU, by the error of a VMRESUME: it must be launched before,
 * clear after.
 *
 * fails when: nobody's VMCSs are cleared, or only those of the first instance, or VMX stays on
 * (mutants emergency-clears-nothing, emergency-clears-one, emergency-leaves-vmx-on).
 *
 * only: intel
 */
#include <stdio.h>

#include "../guest/active.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define LAUNCHED 7 /* VM-instruction error: invalid control fields */
#define CLEAR	 5 /* VMRESUME with a VMCS that is not launched */

#define PARAMETERS "/sys/module/crash_path/parameters"

/* Every number in a parameter. */
static int numbers(const char *name, int number[ACTIVE_MAX])
{
	char text[200] = "", *at = text;
	int n = 0, used;

	sys_read(text, sizeof(text), PARAMETERS "/%s", name);
	while (n < ACTIVE_MAX && sscanf(at, "%d%n", &number[n], &used) == 1) {
		n++;
		at += used;
		at += *at == ',';
	}
	return n;
}

static void is(const struct active *a, int vmxe, int state, const char *when)
{
	int number[ACTIVE_MAX], i;

	ok_is(numbers("vmxe", number), cpu_count(), "each CPU is looked at %s", when);
	for (i = 0; i < cpu_count(); i++)
		ok_is(number[i], vmxe, "VMX of CPU %d is %s %s", i, vmxe ? "on" : "off",
		      when);
	ok_is(numbers("state", number), a->n, "each VMCS is looked at %s", when);
	for (i = 0; i < a->n; i++)
		ok_is(number[i], state, "VMCS %d, of %s on CPU %d, is %s %s", i, a->of[i],
		      a->cpu[i], state == CLEAR ? "clear" : "launched", when);
}

int main(void)
{
	struct active a;

	load_two();
	active_make(&a);
	ok_is(a.n, 8, "eight VMCSs are launched");
	need(mod_insert("crash-path", active_params(&a, "")), "they can be looked at");
	is(&a, 1, LAUNCHED, "before");
	need(mod_insert("emergency", ""), "the emergency path runs on each CPU");
	need(sys_write("1", PARAMETERS "/look"), "they can be looked at again");
	is(&a, 0, CLEAR, "after");
	/* The check left VMX on, so that the VMs can end. */
	active_end(&a);
	ok_virt(0, "when the VMs are gone");
	ok_errno(mod_remove("emergency"), "the module leaves");
	ok_errno(mod_remove("crash-path"), "the other module leaves");
	unload_two();
	return tap_end();
}
