// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: what a point release fixed comes with another instance, while VMs run. Those of b, of
 * the archive's oldest release, have the bug; after the upgrade to a, of the newest, new VMs of
 * /dev/kvm do not have it, and b's run on as they are. After the rollback a new VM has it again, and
 * a's run on without. b with nothing but the fix, as a patch of two lines, does not have it either.
 *
 * The fix is "KVM: x86: Use active memslots for the per-vCPU MMIO cache", CVE-2026-99082, of
 * 6.1.191 and 6.12.114; ../guest/smm.h has the story. When the oldest release has it, the patch
 * is left out of kvm-f, and what needs the bug is skipped.
 *
 * machine: --cpus 1
 * modules: fixed
 * fails when: kvm-a is built from the oldest release (VMs of a have the bug), kvm-b from the
 * newest (VMs of b do not), kvm-f without the patch (b is believed to have the fix, and its
 * VMs have the bug). When writing the default changes nothing (mutant default-sticks).
 *
 * series: first
 */
#include "../guest/smm.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define FIXED "f" /* b with the patch */
#define FIX   "smm-mmio-cache.cocci"
#define LOOKS 5

static struct one {
	struct smm *smm;
	const char *tag;
	int reach; /* what its firmware should reach */
} vms[4];
static int running;

/* All VMs, a few times each. */
static void all_go_on(const char *when)
{
	int i, n, r;

	for (i = 0; i < running; i++) {
		for (n = 0, r = vms[i].reach; n < LOOKS && r == vms[i].reach; n++)
			r = smm_look(vms[i].smm);
		if (!ok(r == vms[i].reach, "VM %d, of %s, has %s bug %s", i + 1,
			vms[i].tag, vms[i].reach == SMM_DEVICE ? "the" : "no", when))
			diag("  %s", r == SMM_DEVICE   ? "its firmware reached the device"
				     : r == SMM_MEMORY ? "its firmware reached its memory"
						       : smm_why());
	}
}

/* /dev/kvm now leads to `tag`, for one more VM; it should reach that. */
static void choose(const char *tag, int reach, const char *when)
{
	struct one *vm = &vms[running++];
	long long before = instance_number(tag, "vms");

	need(set_default(tag), "%s is the default", tag);
	need(smm_start(&vm->smm, device_of("")), "a VM starts on /dev/kvm %s", when);
	ok_is(instance_number(tag, "vms"), before + 1, "it is one of %s", tag);
	vm->tag = tag;
	vm->reach = reach;
	all_go_on(when);
}

int main(void)
{
	char release[40] = "?";
	int bug, i;

	load_vac();
	need(load_instance("b"), "instance b loads");
	need(load_instance(FIXED), "instance f loads");
	sys_read(release, sizeof(release), VAC "/instances/b/snapshot");
	bug = instance_patched(FIXED, FIX) == 1 ? SMM_DEVICE : SMM_MEMORY;
	if (bug == SMM_MEMORY)
		skip("the archive has no older KVM, and this one has the fix",
		     "%s, the oldest, has the bug", release);

	choose("b", bug, "at first");
	need(load_instance("a"), "instance a loads");
	all_go_on("when a is loaded");
	choose("a", SMM_MEMORY, "after the upgrade");
	choose("b", bug, "after the rollback");
	choose(FIXED, SMM_MEMORY, "after the upgrade to b with the fix");

	for (i = 0; i < running; i++)
		smm_end(vms[i].smm);
	ok_errno(unload_instance(FIXED), "instance f unloads");
	unload_two();
	return tap_end();
}
