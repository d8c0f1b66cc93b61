// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: either of two instances can be unloaded first while the guests of the other go on, and be
 * loaded again beside them.
 *
 * fails when: the first instance to lose its last VM turns virtualization off under the other
 * (mutant svme-off-with-first-instance).
 *
 * control: stock-kvm-runs-guests
 */
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static bool goes_on(struct work *w, const char *tag, const char *when)
{
	bool good = ok(!work_advances(w, 10, 60), "guests of %s make progress %s", tag,
		       when);

	if (!good)
		diag("  %s", work_why());
	return good;
}

/* Unloads tags[first] while the other runs guests, and loads it again. */
static void unload_first(int first)
{
	const struct payload *p = payload_find("mix");
	const char *go = tags[first], *stay = tags[!first];
	struct work *leaver, *stayer;

	diag("%s leaves, %s stays", go, stay);
	need(work_start(&leaver, device_of(go), p, 2, 0, -1), "guests of %s start", go);
	need(work_start(&stayer, device_of(stay), p, 2, 0, -1), "guests of %s start",
	     stay);
	goes_on(leaver, go, "beside the other");
	goes_on(stayer, stay, "beside the other");
	ok_is(instance_number(go, "vms"), 1, "sysfs counts one VM of %s", go);
	ok_is(instance_number(stay, "vcpus"), 2, "sysfs counts two vCPUs of %s", stay);
	ok_is(vac_number("users"), 2, "vac counts two VMs");
	ok_errno(work_stop(leaver), "guests of %s stop", go);
	goes_on(stayer, stay, "when the other has no VM left");
	ok_virt(1, "then");
	ok_errno(unload_instance(go), "%s unloads", go);
	ok(!sys_there("/dev/kvm-%s", go) && !sys_there(VAC "/instances/%s", go) &&
		   !sys_there("/sys/kernel/debug/kvm-%s", go),
	   "%s left no name behind", go);
	goes_on(stayer, stay, "when the other is gone");
	ok_virt(1, "with one instance left");
	ok_errno(load_instance(go), "%s loads again", go);
	if (!ok(!payload_run(device_of(go), p, 2, 60), "a guest of %s runs", go))
		diag("  %s", work_why());
	goes_on(stayer, stay, "after that");
	ok_errno(work_stop(stayer), "guests of %s stop", stay);
	ok_virt(0, "after the last VM");
	ok_is(vac_number("users"), 0, "vac counts no VM");
}

int main(void)
{
	load_two();
	unload_first(0);
	unload_first(1);
	unload_two();
	return tap_end();
}
