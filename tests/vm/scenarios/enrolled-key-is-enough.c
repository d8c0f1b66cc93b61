// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: under Secure Boot a host needs no more than the fleet's key in the firmware: multikvm loads
 * what is signed with it, a VM runs there, and doctor is content; an instance that somebody else signed
 * is refused by name, with the signer and what to type; and when what the next boot loads has lost
 * its signature, doctor says so.
 *
 * The firmware is a PC's (OVMF) and the kernel Debian's, which believes the firmware's keys
 * (mod_verify_sig() asks the platform keyring, too) and is locked down.
 *
 * fails when: the firmware does not have the key (without --enrolled: use a is refused), Secure Boot
 * is off (no PK in write_variables()), signature_problem() says nothing of what is loaded.
 *
 * needs: tool
 * machine: --secure-boot --enrolled /fleet.der --module efivarfs --cpus 1
 * only: amd
 */
#define _GNU_SOURCE
#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"
#include "../lib/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define EFIVARS	    "/sys/firmware/efi/efivars"
#define SECURE_BOOT EFIVARS "/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define SECURITY    "/sys/kernel/security"

/* Four bytes of attributes, then the value. */
static int secure_boot(void)
{
	char content[5] = "";
	int fd = open(SECURE_BOOT, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, content, sizeof(content));

	close(fd);
	return n == sizeof(content) ? content[4] : -ENOENT;
}

static void is_locked_down(void)
{
	char lockdown[80] = "", enforced[8] = "";
	int fd;

	need(mod_insert("efivarfs", ""), "a module of the kernel's loads");
	need(mount("efivarfs", EFIVARS, "efivarfs", MS_RDONLY, NULL) ? -errno : 0,
	     "the firmware is UEFI");
	need(mount("securityfs", SECURITY, "securityfs", 0, NULL) ? -errno : 0,
	     "securityfs is where systemd mounts it");
	ok_is(secure_boot(), 1, "Secure Boot is on");
	sys_read(lockdown, sizeof(lockdown), SECURITY "/lockdown");
	if (!ok(strstr(lockdown, "[integrity]") != NULL, "the kernel is locked down"))
		diag("  lockdown: %s", lockdown);
	sys_read(enforced, sizeof(enforced), "/sys/module/module/parameters/sig_enforce");
	ok(*enforced == 'Y', "and wants signed modules, without being told");
	fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	ok_is(fd < 0 ? -errno : 0, -EPERM, "root may not write to its memory");
}

int main(void)
{
	tool_folders();
	is_locked_down();
	tool_says(tool("use", "a"), 0, "new VMs go to a",
		  "use a loads what the fleet's key signed");
	ok_errno(payload_run("/dev/kvm", payload_find("mix"), 1, 60), "a VM runs there");
	chmod("/dev/kvm", 0660); /* udev does */
	tool_says(tool("doctor"), 0, "nothing is wrong", "doctor is content");
	tool_says(
		tool("use", "b"),
		3, "kvm-b is signed by \"other key\", and the kernel has no key of that name",
		"use b names the module and who signed it");
	ok(strstr(tool_said, "next: sudo mokutil --import CERT, ") != NULL,
	   "and what to type");
	ok(!mod_loaded("kvm-b"), "it is not loaded");
	tool_says(tool("doctor"), 0, "nothing is wrong", "and a stays the default");
	need(tool_take_signature("kvm-a"),
	     "a, which runs, loses its signature on the disk");
	tool_says(tool("doctor"), 3,
		  "kvm-a is not signed, and this kernel loads signed modules only",
		  "doctor says so before the next boot does");
	return tap_end();
}
