// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: the guests of both instances survive suspend-to-idle, and suspend-to-RAM down to the
 * point where the last CPU turns virtualization off and on again; afterwards it is on on every
 * CPU, and off after the last VM.
 *
 * fails when: vac does not switch virtualization on again at resume (mutant
 * resume-forgets).
 *
 * control: stock-kvm-survives-suspend
 */
#include "../guest/suspend.h"
#include "../lib/instances.h"
#include "../lib/tap.h"

static void resumed(void)
{
	ok_virt(1, "after that");
}

int main(void)
{
	struct work *w[2];
	int t;

	load_two();
	for (t = 0; t < 2; t++)
		need(work_start(&w[t], device_of(tags[t]), payload_find("mix"), 2, 0, -1),
		     "guests of %s start", tags[t]);
	suspend_each_way(w, tags, resumed);
	for (t = 0; t < 2; t++)
		ok_errno(work_stop(w[t]), "guests of %s stop", tags[t]);
	ok_virt(0, "after the last VM");

	/* With no VM a resume must not turn it on. */
	suspend_to_core(", with no VM");
	ok_virt(0, "after a resume with no VM");
	unload_two();
	return tap_end();
}
