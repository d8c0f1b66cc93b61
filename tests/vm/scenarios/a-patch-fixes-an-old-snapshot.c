// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a fix that a snapshot lacks can be put into it as a patch of the user's: the instance
 * made of it has the fix, beside one of the same release that has the bug, and says in sysfs
 * which patch it has.
 *
 * The fix is "KVM: x86: Use scratch field in MMIO fragment to hold small write values",
 * CVE-2026-31588, of 6.1.175 and 6.12.83; ../guest/split.h has the story. Where the archive's
 * oldest release has it, the patch is left out of kvm-f, and what needs the bug is skipped.
 *
 * machine: --cpus 1
 * modules: fixed
 * fails when: kvm-f is built with a patch that changes something else (its VMM gets wrong
 * halves), kvm-b with the fix (its VMM gets the right ones).
 *
 * series: first
 */
#include "../guest/split.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define FIXED  "f" /* b with the patch */
#define FIX    "mmio-fragment-value.cocci"
#define WRITES 64

/* How many second halves are wrong on that instance. */
static int wrong_on(const char *tag)
{
	unsigned int got;
	int wrong = split_writes(device_of(tag), WRITES, &got);

	if (wrong < 0)
		diag("  %s", split_why());
	if (wrong > 0)
		diag("%s: %d of %d second halves are not what the guest wrote, the "
		     "largest is %#x",
		     tag, wrong, WRITES, got);
	return wrong;
}

int main(void)
{
	char release[40] = "?";

	load_two();
	need(load_instance(FIXED), "instance f loads");
	sys_read(release, sizeof(release), VAC "/instances/b/snapshot");
	if (instance_patched(FIXED, FIX) == 1)
		ok(wrong_on("b") > 0, "b, of %s, hands wrong halves to its VMM", release);
	else
		skip("the archive has no older KVM, and this one has the fix",
		     "%s, the oldest, has the bug", release);
	ok_is(wrong_on(FIXED), 0, "the same with the patch hands over what was written");
	ok_is(wrong_on("a"), 0, "and so does a, of the newest release");
	ok_errno(unload_instance(FIXED), "instance f unloads");
	unload_two();
	return tap_end();
}
