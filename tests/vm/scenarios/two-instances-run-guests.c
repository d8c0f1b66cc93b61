// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: two instances run guests at the same time, two vCPUs each, every payload; /dev/kvm
 * is the first one loaded; each has its own names.
 *
 * fails when: an instance turns virtualization on itself (naive own-virtualization).
 *
 * control: stock-kvm-runs-guests
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
	/* The longer it runs, the more often QEMU fails; the Intel machine has few rounds anyway. */
	unsigned int rounds = payload_rounds(p) / (cpu_intel() ? 1 : 4);
	struct work *a, *b;

	if (!ok(!work_start(&a, dev_a, p, 2, rounds, -1), "%s starts on %s", p->name,
		dev_a))
		diag("  %s", work_why());
	if (!ok(!work_start(&b, dev_b, p, 2, rounds, -1), "%s starts on %s", p->name,
		dev_b))
		diag("  %s", work_why());
	if (a && !ok(!work_finish(a, 60), "%s runs on %s", p->name, dev_a))
		diag("  %s", work_why());
	if (b && !ok(!work_finish(b, 60), "%s runs on %s", p->name, dev_b))
		diag("  %s", work_why());
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
	unload_two();
	return tap_end();
}
