// SPDX-License-Identifier: GPL-2.0-only
/*
 * signatures.c - what a kernel that loads signed modules only has against one of ours.
 *
 * The kernel's answer is the same for a module that is not signed and for one whose key it does not
 * know (mod_verify_sig(), kernel/module/signing.c), and of vac and an instance it does not say which
 * one it means. So the module and the kernel's keys are looked at.
 *
 * That compares names, no more: a signature has its issuer's name and number, /proc/keys a key's own name
 * and the hash of it (x509_key_preparse()). A key that a CA has certified has two names, so the signer of
 * what is loaded is never complained about.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multikvm.h"

/* As dkms names the key that it makes. */
#define KEY_OF_DKMS "DKMS module signing key"

static bool are_wanted(void)
{
	char *enforced = host_read("/sys/module/module/parameters/sig_enforce");
	char *lockdown = host_read("/sys/kernel/security/lockdown");
	bool wanted = (enforced && *enforced == 'Y') ||
		      (lockdown && !strstr(lockdown, "[none]"));

	free(enforced);
	free(lockdown);
	return wanted;
}

/* It was accepted when it was loaded, and it is still that one. */
static bool is_loaded(const char *module)
{
	const char *name = strncmp(module, "kvm-", 4) ? module : module + 4;
	bool loaded = strncmp(module, "kvm-", 4) ? vac_loaded() : vac_has(name);
	json_object *waiting = loaded ? modules_waiting() : json_object_new_array();
	size_t i;

	for (i = 0; i < json_object_array_length(waiting); i++)
		loaded &= !!strcmp(
			json_object_get_string(json_object_array_get_idx(waiting, i)),
			name);
	json_object_put(waiting);
	return loaded;
}

bool signature_problem(const char *module, char **problem, char **next)
{
	char *signer, *keys, *there;
	int sizes[2] = { -1, -1 };

	*problem = *next = NULL;
	if (!are_wanted())
		return false;
	there = module_field(module, "name");
	signer = module_field(module, "signer");
	keys = host_read("/proc/keys");
	if (there && !signer) {
		sizes[0] = asprintf(problem,
				    "%s is not signed, and this kernel loads signed "
				    "modules only",
				    module);
		sizes[1] = asprintf(
			next, "sign it: dkms does, with mok_signing_key= in "
			      "/etc/dkms/framework.conf; sudo multikvm package does, "
			      "with --key and --cert");
	} else if (there && keys && !strstr(keys, signer) && !is_loaded(module)) {
		sizes[0] = asprintf(
			problem,
			"%s is signed by \"%s\", and the kernel has no key of "
			"that name",
			module, signer);
		sizes[1] = asprintf(next, "sudo mokutil --import %s, then reboot",
				    strcmp(signer, KEY_OF_DKMS)
					    ? "CERT, the certificate that it was signed "
					      "with, in DER form"
					    : "/var/lib/dkms/mok.pub");
	}
	free(there);
	free(signer);
	free(keys);
	if (sizes[0] >= 0 && sizes[1] >= 0)
		return true;
	*problem = *next = NULL; /* no memory, or nothing is wrong */
	return false;
}
