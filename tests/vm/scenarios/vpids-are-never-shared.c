// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: no two vCPUs run with the same VPID, whichever instance they belong to (hazard 6), as
 * the VMCS that is current on each CPU says at every sample. Where the VPIDs do not suffice the
 * vCPUs that got none run untagged, without an error; one that was given back is handed out
 * again only after every CPU flushed what it tagged; and an instance without VMs holds none. What
 * EPT left in the TLB is flushed once on each CPU when VMX comes on, for all instances, and not
 * again with the first VM of the other instance, whose own such flush a rule takes out.
 *
 * The second half is on a vac with 8 VPIDs (vac-few-vpids). The emulator's TLB forgets more
 * than it has to, so a missing flush is seen in vac's trace events, not in a guest.
 *
 * fails when: a VPID is given twice (mutant one-vpid-for-two), or again without a flush of
 * every CPU (mutant vpid-flushed-on-one-cpu), or VMXON is not followed by INVEPT (mutant
 * ept-not-flushed).
 *
 * only: intel
 */
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

#define FEW	 7 /* that vac-few-vpids can hand out */
#define VCPUS_A	 4
#define VCPUS_B	 5
#define VCPUS	 (VCPUS_A + VCPUS_B)
#define NONE	 0xffffffffffffffffULL
#define MAX_SEEN 32
#define MAX_CPUS 8
#define TRACE	 "/sys/kernel/tracing"
#define SAMPLES	 5000

static const int vcpus_of[2] = { VCPUS_A, VCPUS_B };

/* What the samples said; a VMCS is known by its address while all vCPUs live. */
static struct {
	unsigned long long vmcs;
	unsigned int vpid;
} seen[MAX_SEEN];
static unsigned int n_seen, samples, changed;

static void look(unsigned long long vmcs, unsigned int vpid)
{
	unsigned int i;

	samples++;
	for (i = 0; i < n_seen; i++) {
		if (seen[i].vmcs != vmcs)
			continue;
		changed += seen[i].vpid != vpid;
		return;
	}
	if (n_seen < MAX_SEEN) {
		seen[n_seen].vmcs = vmcs;
		seen[n_seen++].vpid = vpid;
	}
}

static void sample(void)
{
	FILE *f = fopen("/sys/kernel/debug/vac/cpus", "re");
	char line[800], vmcs[40], vpid[40];

	while (f && fgets(line, sizeof(line), f))
		if (!line_field(line, "vmcs", vmcs, sizeof(vmcs)) &&
		    !line_field(line, "vpid", vpid, sizeof(vpid)) &&
		    strtoull(vmcs, NULL, 16) != NONE)
			look(strtoull(vmcs, NULL, 16), strtoul(vpid, NULL, 10));
	if (f)
		fclose(f);
}

/* Until each of the vCPUs was seen; then `untagged` of them have VPID 0, and no two another. */
static void look_at_all(int untagged, const char *when)
{
	unsigned int i, j, zero = 0, shared = 0;

	memset(seen, 0, sizeof(seen));
	n_seen = samples = changed = 0;
	for (i = 0; i < SAMPLES && n_seen < VCPUS; i++) {
		sample();
		usleep(500); /* lets others run on this CPU */
	}
	for (i = 0; i < n_seen; i++) {
		zero += !seen[i].vpid;
		for (j = 0; j < i; j++)
			shared += seen[i].vpid && seen[i].vpid == seen[j].vpid;
	}
	if (!ok_is(n_seen, VCPUS, "%s: %u samples met every vCPU's VMCS", when,
		   samples) ||
	    shared || changed)
		for (i = 0; i < n_seen; i++)
			diag("  VMCS %llx has VPID %u", seen[i].vmcs, seen[i].vpid);
	ok_is(shared, 0, "%s: no two of them have the same VPID", when);
	ok_is(changed, 0, "%s: each keeps its own", when);
	ok_is(zero, untagged, "%s: so many run with VPID 0", when);
}

static struct work *start(int t)
{
	struct work *w;

	if (ok(!work_start(&w, device_of(tags[t]), payload_find("cpuid"), vcpus_of[t], 0,
			   -1),
	       "%d vCPUs of %s start", vcpus_of[t], tags[t]))
		return w;
	diag("  %s", work_why());
	exit(tap_end());
}

static void advance(struct work *w[2])
{
	int t;

	for (t = 0; t < 2; t++)
		if (!ok(!work_advances(w[t], 5, 60), "all vCPUs of %s make progress",
			tags[t]))
			diag("  %s", work_why());
}

static void stop(struct work *w, int t)
{
	ok_errno(work_stop(w), "the guest of %s stops", tags[t]);
	ok_is(instance_number_within(tags[t], "vpids", 0, 5), 0, "%s holds no VPID",
	      tags[t]);
}

static void plenty(void)
{
	struct work *w[2];
	int t;

	load_two();
	for (t = 0; t < 2; t++)
		w[t] = start(t);
	for (t = 0; t < 2; t++)
		ok_is(instance_number(tags[t], "vpids"), vcpus_of[t],
		      "%s holds one for each vCPU", tags[t]);
	advance(w);
	look_at_all(0, "plenty");
	for (t = 0; t < 2; t++)
		stop(w[t], t);
	unload_two();
}

/* ---- few ---------------------------------------------------------------------------- */

static void mark(const char *text)
{
	sys_write(text, TRACE "/trace_marker");
}

/*
 * Reads what vac did: in the first part VPIDs run out with nothing to flush; after the mark
 * the ones of b are free, and none may be handed out before a flush on each CPU.
 */
static void read_trace(void)
{
	unsigned int vpid, cpu, i, freed = 0, early = 0, again = 0, flushes = 0, late = 0;
	bool flushed[MAX_CPUS] = { false }, used[FEW + 1] = { false };
	unsigned int ept[MAX_CPUS] = { 0 }, ept_once = 0;
	unsigned int cpus = cpu_count();
	char line[300], tag[25], *what;
	FILE *f = fopen(TRACE "/trace", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "b is gone")) {
			freed = 1;
			memset(flushed, 0, sizeof(flushed));
		} else if ((what = strstr(line, "vac_vmx_vpid_flush: ")) &&
			   sscanf(what, "%*s cpu %u", &cpu) == 1 && cpu < MAX_CPUS) {
			flushed[cpu] = true;
			flushes += freed;
		} else if ((what = strstr(line, "vac_vmx_ept_flush: ")) &&
			   sscanf(what, "%*s cpu %u", &cpu) == 1 && cpu < MAX_CPUS) {
			ept[cpu]++;
		} else if ((what = strstr(line, "vac_vmx_vpid_alloc: ")) &&
			   sscanf(what, "%*s instance %24s vpid %u", tag, &vpid) == 2 &&
			   vpid && vpid <= FEW) {
			if (!freed) {
				early += used[vpid];
				used[vpid] = true;
				continue;
			}
			again++;
			for (i = 0; i < cpus; i++)
				if (!flushed[i])
					break;
			late += i < cpus;
		}
	}
	if (f)
		fclose(f);
	for (i = 0; i < MAX_CPUS; i++)
		ept_once += ept[i] == 1;
	ok_is(ept_once, cpus, "vac flushed EPT once on each CPU, for both instances");
	ok_is(early, 0, "none was handed out twice while it was in use");
	ok_is(again, FEW - VCPUS_A, "those of b were handed out again");
	ok_is(late, 0, "each after every CPU had flushed");
	ok_is(flushes, cpus, "one flush of each CPU made all of them fresh");
}

static void few(void)
{
	struct work *w[2];
	int t;

	need(mod_insert("vac-few-vpids", ""), "a vac with few VPIDs loads");
	for (t = 0; t < 2; t++)
		need(load_instance(tags[t]), "instance %s loads", tags[t]);
	sys_write("global", TRACE "/trace_clock");
	need(sys_write("1", TRACE "/events/vac/vac_vmx_vpid_alloc/enable"),
	     "vac is traced");
	need(sys_write("1", TRACE "/events/vac/vac_vmx_vpid_flush/enable"),
	     "and its flushes");
	need(sys_write("1", TRACE "/events/vac/vac_vmx_ept_flush/enable"),
	     "those of EPT, too");
	for (t = 0; t < 2; t++)
		w[t] = start(t);
	ok_is(instance_number("a", "vpids"), VCPUS_A, "a holds one for each vCPU");
	ok_is(instance_number("b", "vpids"), FEW - VCPUS_A, "b holds what was left");
	advance(w);
	look_at_all(VCPUS - FEW, "few");
	stop(w[1], 1);
	mark("b is gone");
	w[1] = start(1);
	ok_is(instance_number("b", "vpids"), FEW - VCPUS_A, "b holds what it gave back");
	advance(w);
	look_at_all(VCPUS - FEW, "again");
	for (t = 0; t < 2; t++)
		stop(w[t], t);
	for (t = 0; t < 2; t++)
		ok_errno(unload_instance(tags[t]), "instance %s unloads", tags[t]);
	sys_write("0", TRACE "/events/vac/enable");
	read_trace();
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
}

int main(void)
{
	plenty();
	few();
	return tap_end();
}
