// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: what sysfs says of iTLB multihit does not depend on which instance was loaded or set last
 * (hazard 13): it is the same whatever each of them does about it, as long as VMX stays on or off. Each
 * has its own nx_huge_pages, set when it is loaded or later. The stock KVM changes what sysfs says,
 * which shows that the CPU has the flaw.
 *
 * fails when: an instance is built without the rule itlb-own-state (naive one-itlb-state-for-all).
 *
 * machine intel: --cpus 1
 * only: intel
 * series: first
 */
#include <string.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define ITLB  "/sys/devices/system/cpu/vulnerabilities/itlb_multihit"
#define SPLIT "KVM: Mitigation: Split huge pages"

static char now[200];

static void says(const char *want, const char *when)
{
	sys_read(now, sizeof(now), ITLB);
	if (!ok(!strcmp(now, want), "sysfs says \"%s\" %s", want, when))
		diag("  %s", now);
}

static void is_set(const char *tag, const char *want, const char *when)
{
	char value[40] = "?";

	sys_read(value, sizeof(value), "/sys/module/kvm_%s/parameters/nx_huge_pages",
		 tag);
	if (!ok(!strcmp(value, want), "nx_huge_pages of %s is %s %s", tag, want, when))
		diag("  %s", value);
}

static void load(const char *file, const char *params)
{
	need(mod_insert(file, params), "%s loads with \"%s\"", file, params);
}

static void stock(void)
{
	struct vm *vm = NULL;

	load("kvm", "nx_huge_pages=force");
	load("kvm-intel", "");
	need(vm_create(&vm, "/dev/kvm", 0), "the stock KVM makes a VM");
	says(SPLIT, "of the stock KVM that splits them");
	vm_destroy(vm);
	ok_errno(sys_write("off", "/sys/module/kvm/parameters/nx_huge_pages"),
		 "that is switched off again");
	ok_errno(mod_remove_within("kvm-intel", 5), "kvm-intel unloads");
	ok_errno(mod_remove_within("kvm", 5), "kvm unloads");
}

int main(void)
{
	struct vm *vm = NULL;

	need(mod_insert_needed(), "what modules need loads");
	cpu_pin(0); /* sysfs looks whether VMX is on where it is read */
	stock();
	load("vac", "");
	says("KVM: Mitigation: VMX disabled", "without a VM");
	load("kvm-a", "nx_huge_pages=off");
	is_set("a", "N", "as it was loaded");
	need(vm_create(&vm, device_of("a"), 0), "a has a VM");
	says("KVM: Vulnerable", "with a VM of a, which does not split them");
	load("kvm-b", "nx_huge_pages=force");
	is_set("b", "Y", "as it was loaded");
	is_set("a", "N", "still");
	says("KVM: Vulnerable", "with b, which does, and has no VM");
	ok_errno(sys_write("force", "/sys/module/kvm_a/parameters/nx_huge_pages"),
		 "that of a is switched on");
	ok_errno(sys_write("off", "/sys/module/kvm_b/parameters/nx_huge_pages"),
		 "that of b is switched off");
	is_set("a", "Y", "then");
	is_set("b", "N", "then");
	says("KVM: Vulnerable", "as before");
	vm_destroy(vm);
	says("KVM: Mitigation: VMX disabled", "after the last VM");
	unload_two();
	return tap_end();
}
