// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: the host's EFER that an instance gets from vac when it is loaded is the host's, also while the
 * guest's value of another instance is in the MSR of this CPU (hazard 9). The module guest-in-efer puts
 * one there, as a VMX instance does where EFER is not switched with the VMCS, and asks. The rule
 * host-efer has an instance take its value from vac.
 *
 * fails when: vac reads the MSR (mutant host-value-is-read).
 *
 * only: intel
 * series: first
 */
#include <stdlib.h>

#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define EFER_SCE 1ULL

static unsigned long long field(const char *line, const char *name)
{
	char value[40] = "";

	if (line_field(line, name, value, sizeof(value)))
		return ~0ULL;
	return strtoull(value, NULL, 0);
}

int main(void)
{
	unsigned long long before, guest, host;
	char line[200] = "";
	uint64_t after;
	int cpu;

	load_vac();
	need(mod_insert("guest-in-efer", ""), "an instance with a guest loads");
	for (cpu = 0; cpu < 2; cpu++) {
		need(cpu_pin(cpu), "on CPU %d", cpu);
		need(sys_read(line, sizeof(line), "/sys/kernel/debug/guest-in-efer"),
		     "the guest's EFER is put there");
		diag("  %s", line);
		before = field(line, "before");
		guest = field(line, "guest");
		host = field(line, "host");
		ok_is(field(line, "error"), 0, "without an error");
		ok(before & EFER_SCE, "the host has SCE");
		ok_is(guest, before & ~EFER_SCE, "the guest's value is in the MSR");
		ok_is(host, before, "vac gives the host's");
		need(cpu_read_msr(cpu, MSR_EFER, &after), "the MSR is read again");
		ok_is(after, before, "the host's is back after the return to user space");
	}
	ok_errno(mod_remove("guest-in-efer"), "the instance unloads");
	ok_virt(0, "then");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
