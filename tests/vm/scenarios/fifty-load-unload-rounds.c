// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: loading and unloading both instances fifty times (on the Intel machine twenty), with a
 * guest on each, leaves no memory, no name and no reference behind.
 *
 * Memory is compared between round 10 and the last, after caches were dropped and RCU and
 * the work queues had time. The tolerances are for 40 rounds: a page leaked in each round
 * would be 160 kB. On the Intel machine they are ten.
 *
 * machine: --time 400 --cpus 1
 *
 * fails when: each instance leaves its handle and some pages (mutant instance-leaks).
 *
 * test-all: amd intel
 * series: first
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define WARM_UP 10
#define ROUNDS	(cpu_intel() ? 20 : 50)

struct measure {
	const char *name;
	long long tolerance; /* kB; for MemAvailable of what may go missing */
	long long before, after;
};

static struct measure measures[] = {
	{ "SUnreclaim", 640, 0, 0 },  { "Percpu", 128, 0, 0 },
	{ "VmallocUsed", 128, 0, 0 }, { "PageTables", 128, 0, 0 },
	{ "KernelStack", 128, 0, 0 }, { "MemAvailable", 4096, 0, 0 },
};

#define NMEASURES (sizeof(measures) / sizeof(measures[0]))

/* Directories that must have the same names before and after. */
static const char * const places[] = {
	"/sys/kernel/debug",
	"/sys/kernel/tracing/events",
	"/sys/kernel/slab",
	"/sys/module",
	"/sys/devices/virtual/misc",
	"/sys/kernel",
	"/sys/devices/virtual/workqueue",
};

#define NPLACES (sizeof(places) / sizeof(places[0]))

/* Free pages that wait in the lists of each CPU; MemAvailable leaves them out. */
static long long in_cpu_lists(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	char line[200];
	long long pages = 0, n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %lld", &n) == 1)
			pages += n;
	if (f)
		fclose(f);
	return pages * 4;
}

static long long meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[100];
	long long kb = -1;
	size_t n = strlen(name);

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, n) && line[n] == ':')
			kb = atoll(line + n + 1);
	if (f)
		fclose(f);
	return strcmp(name, "MemAvailable") || kb < 0 ? kb : kb + in_cpu_lists();
}

static void measure(bool after)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		sync();
		sys_write("3", "/proc/sys/vm/drop_caches");
		usleep(300000);
	}
	for (i = 0; i < NMEASURES; i++)
		*(after ? &measures[i].after
			: &measures[i].before) = meminfo(measures[i].name);
}

static long long grown_by(const struct measure *m)
{
	long long more = m->after - m->before;

	return strcmp(m->name, "MemAvailable") ? more : -more;
}

/* If it is too much already, the rest is left out. */
static bool too_much(void)
{
	unsigned int i;

	measure(true);
	for (i = 0; i < NMEASURES; i++)
		if (grown_by(&measures[i]) > measures[i].tolerance)
			return true;
	return false;
}

static void compare(int rounds)
{
	unsigned int i;

	for (i = 0; i < NMEASURES; i++) {
		struct measure *m = &measures[i];
		long long grown = grown_by(m);

		diag("%s: %lld kB, then %lld kB", m->name, m->before, m->after);
		ok(m->before >= 0 && grown <= m->tolerance,
		   "%s: %lld kB more after %d rounds (%lld are tolerated)", m->name,
		   grown, rounds, m->tolerance);
	}
}

/* 0 if the round went as it should. */
static int one_round(int n)
{
	const struct payload *p = payload_find("io");
	int t, r;

	for (t = 0; t < 2; t++) {
		r = load_instance(tags[t]);
		if (r) {
			diag("round %d: loading %s: %s", n, tags[t], strerror(-r));
			return r;
		}
	}
	for (t = 0; t < 2; t++) {
		r = payload_run(device_of(tags[t]), p, 1, 30);
		if (r) {
			diag("round %d: guest of %s: %s", n, tags[t], work_why());
			return r;
		}
	}
	for (t = 0; t < 2; t++) {
		r = unload_instance(tags[t ^ (n & 1)]);
		if (r) {
			diag("round %d: unloading: %s", n, strerror(-r));
			return r;
		}
	}
	return 0;
}

int main(void)
{
	struct names before[NPLACES], caches;
	int n, bad = 0;
	unsigned int i;

	load_vac();
	for (i = 0; i < NPLACES; i++)
		before[i] = names_of_dir(places[i]);
	caches = names_of_lines("/proc/slabinfo", 2);
	for (n = 1; n <= ROUNDS && !bad; n++) {
		bad = one_round(n);
		if (n % 10 == 0)
			diag("round %d", n);
		if (n == WARM_UP)
			measure(false);
		else if (n % 10 == 0 && too_much())
			break;
	}
	ok_errno(bad, "%d rounds of load, run, unload", n > ROUNDS ? ROUNDS : n);
	compare((n > ROUNDS ? ROUNDS : n) - WARM_UP);
	for (i = 0; i < NPLACES; i++)
		ok_is(names_added(before[i], names_of_dir(places[i]), places[i]), 0,
		      "no new name in %s", places[i]);
	ok_is(names_added(caches, names_of_lines("/proc/slabinfo", 2), "/proc/slabinfo"),
	      0, "no new kmem cache");
	ok_is(vac_number("users"), 0, "vac counts no VM");
	ok_is(mod_references("vac"), 0, "nobody refers to vac");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
