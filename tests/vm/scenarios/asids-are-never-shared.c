// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: on one CPU no two vCPUs get the same ASID in one generation, whichever instance they
 * belong to, and each generation begins with a flush of all ASIDs (hazard 7). The emulator's
 * TLB has no tags, so this looks at what was given out: vac's trace event is emitted where the
 * ASID is handed to VMRUN's caller.
 *
 * fails when: an ASID is given twice (mutant one-asid-for-all), or a generation begins without a
 * flush (mutant generation-runs-on).
 *
 * only: amd
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define CPU   0
#define VCPUS 8
#define TRACE "/sys/kernel/tracing"

static struct {
	unsigned long long generation;
	unsigned long long used; /* bit per ASID */
	unsigned int owners;	 /* bit per instance that got one in this generation */
} now;

static unsigned int events, generations, shared, unflushed, mixed, foreign;

static void event(const char *line)
{
	unsigned long long generation;
	unsigned int asid, flush;
	char tag[25];
	const char *what = strstr(line, "vac_svm_asid_alloc: ");

	if (!what ||
	    sscanf(what,
		   "vac_svm_asid_alloc: instance %24s generation %llu asid %u flush %u",
		   tag, &generation, &asid, &flush) != 4)
		return;
	events++;
	if (generation != now.generation) {
		generations++;
		mixed += now.owners == 3;
		if (generation < now.generation || !flush)
			unflushed++;
		memset(&now, 0, sizeof(now));
		now.generation = generation;
	} else if (flush) {
		unflushed++;
	}
	if (!asid || asid >= 64) {
		foreign++;
		return;
	}
	if (now.used & (1ULL << asid))
		shared++;
	now.used |= 1ULL << asid;
	now.owners |= !strcmp(tag, "a") ? 1 : 2;
}

/* A generation ends every few milliseconds here: repeat until a sample is in the middle of one. */
static bool holds_asids(const char *tag)
{
	int i;

	for (i = 0; i < 500; i++) {
		if (instance_number(tag, "asids") > 0)
			return true;
		usleep(10000);
	}
	return false;
}

int main(void)
{
	const struct payload *p = payload_find("cpuid");
	struct work *w[2];
	char line[256];
	FILE *f;
	int t;

	load_two();
	need(sys_write("8192", TRACE "/buffer_size_kb"), "the trace buffer is large");
	need(sys_write("1", TRACE "/events/vac/vac_svm_asid_alloc/enable"),
	     "vac is traced");
	for (t = 0; t < 2; t++)
		if (!ok(!work_start(&w[t], device_of(tags[t]), p, VCPUS, 0, CPU),
			"%d vCPUs of %s run on CPU %d", VCPUS, tags[t], CPU)) {
			diag("  %s", work_why());
			return tap_end();
		}
	for (t = 0; t < 2; t++)
		if (!ok(!work_advances(w[t], 20, 60), "guests of %s make progress",
			tags[t]))
			diag("  %s", work_why());
	for (t = 0; t < 2; t++)
		ok(holds_asids(tags[t]), "sysfs counts ASIDs of %s", tags[t]);
	for (t = 0; t < 2; t++)
		ok_errno(work_stop(w[t]), "guests of %s stop", tags[t]);
	sys_write("0", TRACE "/events/vac/vac_svm_asid_alloc/enable");

	f = fopen(TRACE "/per_cpu/cpu0/trace", "re");
	while (f && fgets(line, sizeof(line), f))
		event(line);
	diag("%u ASIDs in %u generations, %u of them with both instances", events,
	     generations, mixed);
	ok(events > 2 * VCPUS, "more ASIDs were given out than there are vCPUs");
	ok(mixed > 0, "and both instances took from one generation");
	ok_is(shared, 0, "no ASID twice in a generation");
	ok_is(unflushed, 0, "each generation begins with a flush");
	ok_is(foreign, 0, "never the host's ASID");
	for (t = 0; t < 2; t++)
		ok_is(instance_number(tags[t], "asids"), 0, "%s holds no ASID any more",
		      tags[t]);
	unload_two();
	return tap_end();
}
