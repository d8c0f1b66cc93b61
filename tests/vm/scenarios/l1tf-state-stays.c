// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: what sysfs says of L1TF is the same before, during and after instances come and go, in
 * any order, with guests and without, whatever each of them does about it (hazard 13): each has its
 * own vmentry_l1d_flush, set when it is loaded or later, which only its own VM entries follow
 * (l1d_flush in its statistics). The stock KVM changes what sysfs says: so the CPU has the flaw.
 *
 * fails when: both instances are built without the rule l1tf-own-state (naive
 * one-l1tf-state-for-all).
 *
 * machine intel: --cpus 1
 * only: intel
 * series: first
 */
#include <string.h>

#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define L1TF "/sys/devices/system/cpu/vulnerabilities/l1tf"

static char before[200];

static void stays(const char *when)
{
	char now[200] = "?";

	sys_read(now, sizeof(now), L1TF);
	if (!ok(!strcmp(now, before), "sysfs says the same of L1TF %s", when))
		diag("  %s", now);
}

static void is_set(const char *tag, const char *want, const char *when)
{
	char now[40] = "?";

	sys_read(now, sizeof(now), "/sys/module/kvm_%s/parameters/vmentry_l1d_flush",
		 tag);
	if (!ok(!strcmp(now, want), "vmentry_l1d_flush of %s is %s %s", tag, want, when))
		diag("  %s", now);
}

static void set(const char *tag, const char *to)
{
	ok_errno(sys_write(to, "/sys/module/kvm_%s/parameters/vmentry_l1d_flush", tag),
		 "vmentry_l1d_flush of %s is set to %s", tag, to);
}

/* Runs a guest that exits; did its entries flush? */
static void flushes(const char *tag, bool want)
{
	struct event e = { 0 };
	struct vm *vm = NULL;
	struct vcpu *v;
	long long n;

	need(vm_create(&vm, device_of(tag), 0), "%s makes a VM", tag);
	need(vcpu_create(vm, &v), "%s makes a vCPU", tag);
	need(vcpu_set_long(v, payload_find("io")->fn, 20, 1), "its guest is set up");
	do
		vcpu_run(v, &e);
	while (e.kind == EV_SYNC);
	ok(e.kind == EV_DONE, "a guest of %s runs: %s", tag, event_text(v, &e));
	n = sys_read_number("/sys/kernel/debug/kvm-%s/l1d_flush", tag);
	ok(want ? n >= 20 : !n, "its entries flush %s: %lld times",
	   want ? "each time" : "never", n);
	stays("with a VM");
	vm_destroy(vm);
}

static void load(const char *file, const char *params)
{
	need(mod_insert(file, params), "%s loads with \"%s\"", file, params);
}

static void stock(void)
{
	char now[200] = "?";

	load("kvm", "");
	load("kvm-intel", "vmentry_l1d_flush=always");
	sys_read(now, sizeof(now), L1TF);
	ok(strstr(now, "cache flushes") && strcmp(now, before),
	   "the stock KVM changes what sysfs says of L1TF");
	diag("  %s", now);
	ok_errno(mod_remove_within("kvm-intel", 5), "kvm-intel unloads");
	ok_errno(mod_remove_within("kvm", 5), "kvm unloads");
	stays("when the stock KVM is gone");
}

int main(void)
{
	need(mod_insert_needed(), "what modules need loads");
	need(sys_read(before, sizeof(before), L1TF), "sysfs says what it knows of L1TF");
	diag("  %s", before);
	stock();
	load("vac", "");
	stays("with vac");

	load("kvm-a", "");
	stays("with a");
	is_set("a", "cond", "by itself");
	load("kvm-b", "");
	stays("with b too");
	is_set("b", "cond", "by itself");
	ok_errno(unload_instance("a"), "a, the first, unloads");
	stays("with b left");
	is_set("b", "cond", "as before");
	load("kvm-a", "vmentry_l1d_flush=never");
	stays("with another a");
	is_set("a", "never", "as it was loaded");
	is_set("b", "cond", "as before");
	flushes("a", false);
	set("b", "always");
	stays("then");
	is_set("a", "never", "still");
	flushes("b", true);
	flushes("a", false);
	ok_errno(unload_instance("b"), "b, now the first, unloads");
	stays("with a left");
	load("kvm-b", "vmentry_l1d_flush=always");
	is_set("b", "always", "as it was loaded");
	set("a", "always");
	flushes("a", true);
	set("b", "never");
	is_set("a", "always", "still");
	flushes("b", false);
	flushes("a", true);
	ok_errno(unload_instance("b"), "b, the last, unloads");
	stays("with a left");
	is_set("a", "always", "still");
	ok_errno(unload_instance("a"), "a unloads");
	stays("with no instance");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	stays("with no vac");
	return tap_end();
}
