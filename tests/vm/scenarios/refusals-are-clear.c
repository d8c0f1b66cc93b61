// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: what cannot work is refused with the right error number and one line in the kernel
 * log that names the cause: an instance without vac, with a wrong vac interface, with a word that
 * is no tag, with a tag that is taken; vac beside stock KVM, stock KVM beside vac.
 *
 * /modules/kvm-foreign.ko asks for admission in ways that vac must refuse.
 *
 * fails when: stock KVM is let in, or any interface or word is taken (mutants stock-may-come,
 * any-interface-will-do, any-word-is-a-tag).
 *
 * machine: --cpus 1
 * series: first
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static struct klog log_;

static void mark(void)
{
	need(klog_mark(&log_), "the kernel log can be read");
}

/* Since mark(): one line or more with these words, which a person should read here. */
static void says(const char *words)
{
	const char *line = klog_find(&log_, words);

	if (ok(line, "the log says why (%s)", words))
		diag("  %s", line);
	else
		klog_show(&log_);
	klog_end(&log_);
}

/* The only line of ours. */
static void says_once(const char *words)
{
	const char *line = klog_find(&log_, words);
	int n = klog_count(&log_, words);

	if (line)
		diag("  %s", line);
	if (!ok_is(n, 1, "the log says why in one line (%s)", words))
		klog_show(&log_);
	klog_end(&log_);
}

static void without_vac(void)
{
	mark();
	ok_refused(load_instance("a"), ENOENT, "an instance does not load without vac");
	says("kvm_a: unknown symbol vac_");
	ok(!mod_loaded("kvm-a"), "and is not there");
}

static void beside_stock(void)
{
	int r;

	need(mod_insert("kvm", ""), "stock kvm loads");
	need(mod_insert(stock_module(), ""), "stock %s loads", stock_module());
	mark();
	r = mod_insert("vac", "");
	ok(r < 0, "vac does not load beside stock kvm: %s", strerror(-r));
	says_once("vac: kvm");
	ok(!mod_loaded("vac") && !sys_there(VAC), "and leaves nothing");
	if (!ok(!payload_run("/dev/kvm", payload_find("io"), 1, 30),
		"stock kvm still works"))
		diag("  %s", work_why());
	ok_errno(mod_remove_within(stock_module(), 5), "%s unloads", stock_module());
	ok_errno(mod_remove_within("kvm", 5), "kvm unloads");
}

/* Either of the two modules may be the one that notices. */
static void stock_beside_vac(const char *when)
{
	int r;

	mark();
	r = mod_insert("kvm", "");
	if (!r)
		r = mod_insert(stock_module(), "");
	ok(r < 0, "stock kvm does not load %s: %s", when, strerror(-r));
	says("kvm");
	ok(!mod_loaded(stock_module()), "%s is not there", stock_module());
	if (mod_loaded("kvm"))
		ok_errno(mod_remove_within("kvm", 5), "kvm unloads");
}

static void still_runs(const char *tag)
{
	if (!ok(!payload_run(device_of(tag), payload_find("io"), 1, 30),
		"%s runs a guest", tag))
		diag("  %s", work_why());
}

static void foreign(const char *as, const char *cause)
{
	char parameters[32];
	int r;

	snprintf(parameters, sizeof(parameters), "as=%s", as);
	mark();
	r = mod_insert("kvm-foreign", parameters);
	ok(r < 0 && r != -ECANCELED, "a module with a wrong %s is refused: %s", as,
	   strerror(-r));
	says_once(cause);
	ok(!mod_loaded("kvm-foreign") && !sys_there(VAC "/instances/foreign"),
	   "and leaves nothing");
}

int main(void)
{
	int r;

	need(mod_insert_needed(), "what modules need loads");
	without_vac();
	beside_stock();
	need(mod_insert("vac", ""), "vac loads");
	mark();
	ok_refused(mod_insert("vac", ""), EEXIST, "vac does not load twice");
	klog_end(&log_);
	stock_beside_vac("with vac there");
	need(load_instance("a"), "instance a loads");
	need(load_instance("b"), "instance b loads");
	stock_beside_vac("with two instances there");
	ok_refused(load_instance("a"), EEXIST, "a tag that exists does not load");
	still_runs("a");
	still_runs("b");

	foreign("major", "interface");
	foreign("size", "descriptor");
	foreign("tag", "not a tag");
#define NOT_A_TAG(word) foreign(#word, "not a tag");
#include "../../../vac/not-tags.h"
#undef NOT_A_TAG
	foreign("vendor", "does not mediate");
	r = set_default("nosuch");
	ok(r == -ENOENT || r == -EINVAL, "a default that is not loaded is refused: %s",
	   strerror(-r));
	still_runs("");
	unload_two();
	return tap_end();
}
