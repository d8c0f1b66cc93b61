// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: two guests of the stock KVM survive what suspend-to-idle-under-load does to those of two
 * instances. The control of that scenario: it runs where the emulator can fail, on the AMD machine.
 *
 * fails when: the guests end by themselves (30 rounds instead of 0 in work_start()).
 *
 * only: amd
 * series: first
 */
#include "../guest/suspend.h"
#include "../lib/cpu.h"
#include "../lib/mod.h"
#include "../lib/tap.h"

int main(void)
{
	static const char * const names[2] = { "the first VM", "the second VM" };
	struct work *w[2];
	int n;

	need(mod_insert_needed(), "what kvm needs loads");
	need(mod_insert("kvm", ""), "stock kvm loads");
	need(mod_insert(stock_module(), ""), "stock %s loads", stock_module());
	for (n = 0; n < 2; n++)
		need(work_start(&w[n], "/dev/kvm", payload_find("mix"), 2, 0, -1),
		     "guests of %s start", names[n]);
	suspend_each_way(w, names, NULL);
	for (n = 0; n < 2; n++)
		ok_errno(work_stop(w[n]), "guests of %s stop", names[n]);
	suspend_to_core(", with no VM");
	ok_errno(mod_remove_within(stock_module(), 5), "%s unloads", stock_module());
	ok_errno(mod_remove_within("kvm", 5), "kvm unloads");
	return tap_end();
}
