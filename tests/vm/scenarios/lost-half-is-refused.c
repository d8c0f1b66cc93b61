// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: an instance whose KVM lacks its half of a mitigation that sysfs reports is refused with
 * one line that names it and the way out (hazard 25). With allow_unmitigated=1 it loads, says so
 * once, and /sys/kernel/vac shows what it lacks; an instance that lacks nothing shows "none".
 *
 * In this folder kvm-a.ko is the newest KVM without the code that fills the return stack buffer
 * after a VM exit (tests/vm/lose-half).
 *
 * fails when: it is built without that patch (it loads, and shows "none").
 *
 * machine: --cpus 1
 * modules: unmitigated
 * series: first
 */
#include <errno.h>
#include <string.h>

#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define SPECTRE "/sys/devices/system/cpu/vulnerabilities/spectre_v2"
/* RETPOLINE on AMD and 6.1, else RSB_VMEXIT. */
#define HALF "X86_FEATURE_R"

static struct klog log_;

static void says_once(const char *words)
{
	const char *line = klog_find(&log_, words);
	int n = klog_count(&log_, words);

	if (line)
		diag("  %s", line);
	if (!ok_is(n, 1, "the log says so in one line (%s)", words))
		klog_show(&log_);
	klog_end(&log_);
}

static void shows(const char *tag, const char *want)
{
	char value[200] = "?";

	sys_read(value, sizeof(value), VAC "/instances/%s/unmitigated", tag);
	ok(!strncmp(value, want, strlen(want)), "unmitigated of %s is %s...: %s", tag,
	   want, value);
}

int main(void)
{
	char value[300] = "?";

	need(mod_insert_needed(), "what modules need loads");
	sys_read(value, sizeof(value), SPECTRE);
	ok(!strncmp(value, "Mitigation: ", 12), "sysfs says that this CPU is mitigated");
	diag("  %s", value);
	load_vac();

	need(klog_mark(&log_), "the kernel log can be read");
	need(load_instance("b"), "an instance that lacks nothing loads");
	shows("b", "none");
	ok_is(klog_count(&log_, "unmitigated"), 0, "the log says nothing of it");
	klog_end(&log_);

	need(klog_mark(&log_), "the kernel log can be read");
	ok_refused(mod_insert("kvm-a", ""), EPERM,
		   "an instance that lacks its half is refused");
	says_once("kvm_a: refused " HALF " newer snapshot allow_unmitigated=1");
	ok(!mod_loaded("kvm-a") && !sys_there(VAC "/instances/a"), "and leaves nothing");

	need(klog_mark(&log_), "the kernel log can be read");
	need(mod_insert("kvm-a", "allow_unmitigated=1"),
	     "with allow_unmitigated=1 it loads");
	says_once("kvm_a: unmitigated " HALF);
	shows("a", HALF);
	shows("b", "none");
	if (!ok(!payload_run(device_of("a"), payload_find("io"), 1, 30),
		"it runs a guest"))
		diag("  %s", work_why());
	ok_errno(unload_instance("a"), "it unloads");

	ok_errno(unload_instance("b"), "b unloads");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
