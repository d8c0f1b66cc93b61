// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: the guests of both instances survive suspend-to-idle, and suspend-to-RAM down to the
 * point where the last CPU turns virtualization off and on again; afterwards it is on on every
 * CPU, and off after the last VM.
 *
 * Suspend-to-idle is taken down to the last level that pm_test knows for it ("platform"), then
 * back: the emulated machine's clock cannot wake it from the real thing. It stops tasks and
 * devices, but does not call syscore operations; `mem` with the level "core" does (hazard 2).
 *
 * fails when: vac does not switch virtualization on again at resume (mutant
 * resume-forgets).
 */
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static const struct {
	const char *state, *level;
} ways[] = {
	{ "freeze", "freezer" }, { "freeze", "devices" }, { "freeze", "platform" },
	{ "mem", "processors" }, { "mem", "core" },
};

static void goes_on(struct work *w[2], const char *state, const char *level)
{
	int t;

	for (t = 0; t < 2; t++)
		if (!ok(!work_advances(w[t], 10, 60), "guests of %s go on after %s, %s",
			tags[t], state, level))
			diag("  %s", work_why());
}

static void sleep_and_wake(struct work *w[2], const char *state, const char *level)
{
	long long before = sys_read_number("/sys/power/suspend_stats/success");

	ok_errno(sys_write(level, "/sys/power/pm_test"), "the level can be %s", level);
	ok_errno(sys_write(state, "/sys/power/state"), "%s, %s, and back", state, level);
	ok_is(sys_read_number("/sys/power/suspend_stats/success"), before + 1,
	      "the kernel counts it");
	ok_virt(1, "after that");
	goes_on(w, state, level);
}

int main(void)
{
	struct work *w[2];
	unsigned int i;
	int t, times;

	load_two();
	/* One second is enough; an older kernel may not have this parameter. */
	sys_write("1", "/sys/module/suspend/parameters/pm_test_delay");
	for (t = 0; t < 2; t++)
		need(work_start(&w[t], device_of(tags[t]), payload_find("mix"), 2, 0, -1),
		     "guests of %s start", tags[t]);
	for (times = 0; times < scaled(2); times++)
		for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
			sleep_and_wake(w, ways[i].state, ways[i].level);
	for (t = 0; t < 2; t++)
		ok_errno(work_stop(w[t]), "guests of %s stop", tags[t]);
	ok_virt(0, "after the last VM");

	/* With no VM a resume must not turn it on. */
	ok_errno(sys_write("core", "/sys/power/pm_test"), "the level can be core");
	ok_errno(sys_write("mem", "/sys/power/state"), "mem, core, and back, with no VM");
	ok_virt(0, "after a resume with no VM");
	sys_write("none", "/sys/power/pm_test");
	unload_two();
	return tap_end();
}
