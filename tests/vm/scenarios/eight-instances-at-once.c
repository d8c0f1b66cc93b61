// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: eight instances run a guest each at the same time, every one under names of its own;
 * they leave in any order, and the guests of those that stay go on; the last one to leave
 * leaves virtualization off and nothing behind.
 *
 * The order is random. SEED=N in the environment (a word of --append of tests/vm/machine)
 * repeats it.
 *
 * fails when: the first instance to finish turns virtualization off under the others (mutant
 * first-of-eight-turns-off).
 *
 * test-all: amd intel
 * needs: 6 more instances
 * series: first
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define INSTANCES 8
#define SECONDS	  60

static const char * const eight[INSTANCES] = {
	"a", "b", "c", "d", "e", "f", "g", "h",
};

static struct work *guest[INSTANCES];

static uint64_t seed(void)
{
	const char *given = getenv("SEED");
	uint64_t n = 0;

	if (given)
		return strtoull(given, NULL, 0);
	getrandom(&n, sizeof(n), 0);
	return n;
}

/* How many guests advance; those of instances that are gone do not count. */
static int advancing(void)
{
	int i, n = 0;

	for (i = 0; i < INSTANCES; i++) {
		if (!guest[i])
			continue;
		if (work_advances(guest[i], 2, SECONDS))
			diag("  guest of %s: %s", eight[i], work_why());
		else
			n++;
	}
	return n;
}

static bool names_of_own(const char *tag)
{
	return sys_there("/dev/kvm-%s", tag) && sys_there(VAC "/instances/%s", tag) &&
	       sys_there("/sys/module/kvm_%s/parameters/nested", tag) &&
	       sys_there("/sys/kernel/debug/kvm-%s", tag) &&
	       sys_there("/sys/kernel/tracing/events/kvm_%s/kvm_exit", tag) &&
	       sys_there("/sys/kernel/tracing/events/kvmmmu_%s", tag);
}

static bool no_name(const char *tag)
{
	return !sys_there("/dev/kvm-%s", tag) && !sys_there(VAC "/instances/%s", tag) &&
	       !sys_there("/sys/module/kvm_%s", tag) &&
	       !sys_there("/sys/kernel/debug/kvm-%s", tag) &&
	       !sys_there("/sys/kernel/tracing/events/kvm_%s", tag);
}

static void leave(int i, int left)
{
	ok_errno(work_stop(guest[i]), "the guest of %s stops", eight[i]);
	guest[i] = NULL;
	ok_errno(unload_instance(eight[i]), "%s unloads", eight[i]);
	ok(no_name(eight[i]), "%s left no name behind", eight[i]);
	ok_is(vac_number("users"), left, "vac counts the VMs that are left");
	ok_virt(left > 0, "then");
	ok_is(advancing(), left, "the guests of the others go on");
}

int main(void)
{
	int order[INSTANCES], i, j, swap, n = 0;
	uint64_t random = seed();

	diag("SEED=%llu", (unsigned long long)random);
	load_vac();
	for (i = 0; i < INSTANCES; i++)
		need(load_instance(eight[i]), "%s loads", eight[i]);
	for (i = 0; i < INSTANCES; i++)
		n += names_of_own(eight[i]);
	ok_is(n, INSTANCES, "each has names of its own");
	for (i = 0; i < INSTANCES; i++)
		if (!ok(!work_start(&guest[i], device_of(eight[i]), payload_find("mix"),
				    1, 0, i % 2),
			"a guest of %s starts", eight[i]))
			diag("  %s", work_why());
	ok_is(vac_number("users"), INSTANCES, "vac counts eight VMs");
	ok_virt(1, "with eight instances");
	ok_is(advancing(), INSTANCES, "all eight guests run");

	for (i = 0; i < INSTANCES; i++)
		order[i] = i;
	for (i = INSTANCES - 1; i > 0; i--) {
		j = mix(random, i) % (i + 1);
		swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
	for (i = 0; i < INSTANCES; i++)
		leave(order[i], INSTANCES - 1 - i);
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
