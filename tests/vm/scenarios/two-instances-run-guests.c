// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: two instances run guests at the same time, two vCPUs each, every payload; /dev/kvm
 * is the first one loaded; each has its own names; either can be unloaded first while the
 * guests of the other go on, and be loaded again beside them.
 *
 * machine: --time 240
 *
 * fails when: the first instance to finish turns virtualization off under the other (mutant
 * svme-off-with-first-instance), or an instance turns it on itself (naive own-virtualization).
 */
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#include <string.h>

static void names(void)
{
	static const char * const files[] = {
		"vms",	    "vcpus",	       "references",
		"snapshot", "snapshot_digest", "rules_digest",
		"patches",  "interface",       "capabilities",
	};
	unsigned int i, t, n;

	ok(!strcmp(default_tag(), "a"), "the default is the first one loaded");
	for (t = 0; t < 2; t++) {
		for (i = n = 0; i < sizeof(files) / sizeof(files[0]); i++)
			if (!sys_there(VAC "/instances/%s/%s", tags[t], files[i]))
				diag("  %s: no %s", tags[t], files[i]);
			else
				n++;
		ok_is(n, i, "instance %s says what it is in sysfs", tags[t]);
		ok(sys_there("/dev/kvm-%s", tags[t]), "instance %s has a device",
		   tags[t]);
		ok(sys_there("/sys/kernel/debug/kvm-%s", tags[t]),
		   "instance %s has a debugfs directory", tags[t]);
		ok(sys_there("/sys/module/kvm_%s/parameters/nested", tags[t]) &&
			   sys_there("/sys/module/kvm_%s/parameters/halt_poll_ns",
				     tags[t]),
		   "instance %s has parameters of core and vendor", tags[t]);
		ok(sys_there("/sys/kernel/tracing/events/kvm_%s/kvm_exit", tags[t]) &&
			   sys_there("/sys/kernel/tracing/events/kvmmmu_%s", tags[t]),
		   "instance %s has trace systems of its own", tags[t]);
	}
}

/* One payload on both at once, two vCPUs each. */
static void both_run(const struct payload *p, const char *dev_a, const char *dev_b)
{
	struct work *a, *b;

	if (!ok(!work_start(&a, dev_a, p, 2, payload_rounds(p), -1), "%s starts on %s",
		p->name, dev_a))
		diag("  %s", work_why());
	if (!ok(!work_start(&b, dev_b, p, 2, payload_rounds(p), -1), "%s starts on %s",
		p->name, dev_b))
		diag("  %s", work_why());
	if (a && !ok(!work_finish(a, 60), "%s runs on %s", p->name, dev_a))
		diag("  %s", work_why());
	if (b && !ok(!work_finish(b, 60), "%s runs on %s", p->name, dev_b))
		diag("  %s", work_why());
}

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
	const struct payload *p;

	load_two();
	names();
	ok_virt(0, "before the first VM");
	for (p = payloads; p->name; p++)
		both_run(p, "/dev/kvm-a", "/dev/kvm-b");
	both_run(payload_find("mix"), "/dev/kvm", "/dev/kvm-b");
	unload_first(0);
	unload_first(1);
	unload_two();
	return tap_end();
}
