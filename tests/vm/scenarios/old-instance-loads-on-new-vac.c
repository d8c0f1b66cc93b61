// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: an instance that was built against this vac loads on a later vac of the same major
 * version and runs guests. The later one (tests/vm/vary-vac) has another minor, one export
 * more and a longer descriptor; with CONFIG_MODVERSIONS the loader compares the CRC of every
 * function that the instance uses.
 *
 * fails when: struct vac_instance_desc or struct vac_instance is not hidden from genksyms (the
 * loader: "disagrees about version of symbol vac_instance_register"), or check_interface()
 * wants the size of its own descriptor (mutant descriptor-must-be-mine).
 *
 * machine: --cpus 1
 * series: first
 */
#include <string.h>

#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

int main(void)
{
	const struct payload *p = payload_find("mix");
	char version[16] = "?", interface[16] = "?";

	need(mod_insert_needed(), "what modules need loads");
	need(mod_insert("vac-grown", ""), "a later vac loads");
	need(load_instance("a"), "an instance built against the earlier one loads");
	sys_read(version, sizeof(version), VAC "/version");
	sys_read(interface, sizeof(interface), VAC "/instances/a/interface");
	ok(strcmp(version, interface), "vac is at %s, the instance at %s", version,
	   interface);
	if (!ok(!payload_run("/dev/kvm-a", p, 2, 60), "its guests run"))
		diag("  %s", work_why());
	ok_errno(unload_instance("a"), "it unloads");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
