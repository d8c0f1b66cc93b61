// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: after a panic, with guests of both instances running on one CPU when the other panics, VMX
 * is off on each CPU and every VMCS there is clear, when that CPU has done all that it does: the one
 * that is told to stop, and the one that restarts the machine (hazard 3).
 *
 * The results after the panic come from /modules/crash-path.ko, which looks at the CPUs then.
 *
 * machine: --panics
 *
 * fails when: nobody's VMCSs are cleared, or only those of the first instance (mutants
 * emergency-clears-nothing, emergency-clears-one).
 *
 * only: intel
 */
#include <stdlib.h>

#include "../guest/active.h"
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/second.h"
#include "../lib/tap.h"

int main(void)
{
	struct work *w;
	struct active a;
	int t;

	load_two();
	active_make(&a);
	ok_is(a.n, 8, "eight VMCSs are launched");
	need(mod_insert("crash-path", active_params(&a, "panic=1")),
	     "they can be looked at after a panic");
	for (t = 0; t < 2; t++) {
		need(work_start(&w, device_of(tags[t]), payload_find("mix"), 1, 0, 1),
		     "a guest of %s starts on CPU 1", tags[t]);
		if (!ok(!work_advances(w, 2, 60), "it runs"))
			diag("  %s", work_why());
	}
	ok_virt(1, "before the panic");
	need(cpu_pin(0), "CPU 0 can be chosen");
	tap_plan(cpu_count() + a.n);
	second_wait_for_init();
	second_crash();
	return EXIT_FAILURE;
}
