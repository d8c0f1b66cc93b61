// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: each instance that is named on the command line, one after the other, loads on a fresh
 * vac, runs guests that compute what the host computes, and leaves with vac.
 *
 * fails when: a kvm-<tag>.ko does not load (two parameters of one name), or the kernel warns of it (a
 * work queue's name that is too long).
 */
#include "../vm/guest/work.h"
#include "../vm/lib/instances.h"
#include "../vm/lib/mod.h"
#include "../vm/lib/tap.h"

static const char * const wanted[] = { "compute", "mix", "msi", "dirty-log", "fpu" };

static void try(const char *tag)
{
	const struct payload *p;
	unsigned int i;

	if (!ok_errno(mod_insert("vac", ""), "%s: vac loads", tag))
		return;
	if (ok_errno(load_instance(tag), "%s: it loads", tag)) {
		for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			p = payload_find(wanted[i]);
			if (!ok(!payload_run(device_of(tag), p, 2, 60),
				"%s: guest %s runs", tag, p->name))
				diag("  %s", work_why());
		}
		ok_virt(0, "after the last VM");
		ok_errno(unload_instance(tag), "%s: it unloads", tag);
	}
	ok_errno(mod_remove_within("vac", 5), "%s: vac unloads", tag);
}

int main(int argc, char **argv)
{
	int i;

	need(mod_insert_needed(), "what modules need loads");
	for (i = 1; i < argc; i++)
		try(argv[i]);
	return tap_end();
}
