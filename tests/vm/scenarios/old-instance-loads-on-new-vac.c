// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: an instance that was built against the interface as it was released (tests/abi) loads on
 * this vac and on a later one of the same major version, and runs guests. The later one
 * (tests/vm/vary-vac) has another minor, one export more, and a member more in each struct; with
 * CONFIG_MODVERSIONS the loader compares the CRC of every function that the instance uses.
 *
 * fails when: a struct that may grow, a handle or enum vac_last is not hidden from genksyms (the
 * loader: "disagrees about version of symbol vac_instance_register"), or vac wants the size of its own
 * descriptor (mutant descriptor-must-be-mine) or of its own operations (mutant ops-must-be-mine).
 *
 * machine: --cpus 1
 * modules: released
 */
#include <string.h>

#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static void runs_on(const char *vac)
{
	const struct payload *p = payload_find("mix");
	char version[16] = "?", interface[16] = "?";

	need(mod_insert(vac, ""), "%s loads", vac);
	need(load_instance("a"), "an instance built against what was released loads");
	sys_read(version, sizeof(version), VAC "/version");
	sys_read(interface, sizeof(interface), VAC "/instances/a/interface");
	diag("vac is at %s, the instance at %s", version, interface);
	ok(!strcmp(interface, "1.0"), "it says what it was built against");
	if (!ok(!payload_run("/dev/kvm-a", p, 2, 60), "its guests run"))
		diag("  %s", work_why());
	ok_errno(unload_instance("a"), "it unloads");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
}

int main(void)
{
	need(mod_insert_needed(), "what modules need loads");
	runs_on("vac");
	runs_on("vac-grown");
	return tap_end();
}
