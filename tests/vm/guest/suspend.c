// SPDX-License-Identifier: GPL-2.0-only
#include "suspend.h"

#include "../lib/cpu.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static const struct {
	const char *state, *level;
} ways[] = {
	{ "freeze", "freezer" }, { "freeze", "devices" }, { "freeze", "platform" },
	{ "mem", "processors" }, { "mem", "core" },
};

static void suspend(const char *state, const char *level, const char *when)
{
	/* One second is enough; an older kernel may not have the knob. */
	sys_write("1", "/sys/module/suspend/parameters/pm_test_delay");
	/* Without a level nothing would wake the machine. */
	need(sys_write(level, "/sys/power/pm_test"), "the level can be %s", level);
	ok_errno(sys_write(state, "/sys/power/state"), "%s, %s, and back%s", state, level,
		 when);
}

void suspend_each_way(struct work *w[2], const char * const names[2],
		      void (*resumed)(void))
{
	long long before;
	unsigned int i;
	int n;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		before = sys_read_number("/sys/power/suspend_stats/success");
		suspend(ways[i].state, ways[i].level, "");
		ok_is(sys_read_number("/sys/power/suspend_stats/success"), before + 1,
		      "the kernel counts it");
		if (resumed)
			resumed();
		for (n = 0; n < 2; n++)
			if (!ok(!work_advances(w[n], 10, 60),
				"guests of %s go on after %s, %s", names[n],
				ways[i].state, ways[i].level))
				diag("  %s", work_why());
	}
}

void suspend_to_core(const char *when)
{
	suspend("mem", "core", when);
	sys_write("none", "/sys/power/pm_test");
}
