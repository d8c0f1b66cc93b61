// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: where the kernel loads signed modules only, as under Secure Boot, multikvm says which module
 * it refuses, who signed it and what to type, and the stock KVM is there as before.
 *
 * fails when: not_loaded() does not ask signature_problem() ("it is refused"), or module_load() does not
 * load the stock KVM again.
 *
 * needs: tool
 * machine: --append module.sig_enforce=1
 * series: first
 * test-all: intel
 */
#define _GNU_SOURCE
#include "../lib/cpu.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"
#include "../lib/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MARKER "~Module signature appended~\n"

static char *installed(const char *name)
{
	static char path[200];
	struct utsname self;

	uname(&self);
	snprintf(path, sizeof(path), "/lib/modules/%s/updates/dkms/%s.ko", self.release,
		 name);
	return path;
}

/* The signature is no longer found, and the rest is as it was. */
static int take_signature(const char *path)
{
	FILE *file = fopen(path, "r+");
	long size;
	int err;

	if (!file)
		return -1;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	err = ftruncate(fileno(file), size - (long)strlen(MARKER));
	return fclose(file) || err ? -1 : 0;
}

static void is_refused(const char *cause, const char *next)
{
	tool_says(tool("use", "a"), 3, cause,
		  "use a names the module and why it is refused");
	ok(strstr(tool_said, next) != NULL, "and what to type");
	ok(strstr(tool_said, "the stock KVM is loaded again") &&
		   mod_loaded(stock_module()),
	   "the stock KVM, which nobody used, is there again");
	ok(!mod_loaded("vac") && !mod_loaded("kvm-a"), "and nothing of ours");
	ok(access("/var/lib/multi-kvm/default", F_OK) != 0, "or for the next boot");
}

int main(void)
{
	static char keys[1 << 16];
	FILE *file = fopen("/proc/keys", "r");

	tool_folders();
	need(file && fread(keys, 1, sizeof(keys) - 1, file), "the kernel lists its keys");
	ok(strstr(keys, "Debian Secure Boot") != NULL,
	   "that of its own modules among them");
	need(mod_insert_needed(), "what kvm needs loads");
	need(mod_insert("kvm", ""), "a signed module loads, the stock kvm");
	need(mod_insert(stock_module(), ""), "and the vendor's");
	is_refused("vac is signed by \"fleet key\", a key that is not enrolled",
		   "next: sudo mokutil --import CERT, the certificate of \"fleet key\"");
	need(!take_signature(installed("vac")), "vac loses its signature");
	is_refused("vac is not signed, and this kernel loads signed modules only",
		   "next: sign it: dkms does");
	return tap_end();
}
