// SPDX-License-Identifier: GPL-2.0-only
/*
 * signatures.c - what a kernel that loads signed modules only has against one of ours.
 *
 * The kernel's answer is the same for a module that is not signed and for one whose key it does not
 * know (mod_verify_sig(), kernel/module/signing.c), and of vac and an instance it does not say which
 * one it means. So the module and the kernel's keys are looked at.
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

bool signature_problem(const char *module, char **problem, char **next)
{
	char *signer, *keys;
	int sizes[2];

	*problem = *next = NULL;
	if (!are_wanted())
		return false;
	signer = module_field(module, "signer");
	keys = host_read("/proc/keys");
	if (!signer) {
		sizes[0] = asprintf(problem,
				    "%s is not signed, and this kernel loads signed "
				    "modules only",
				    module);
		sizes[1] = asprintf(
			next, "sign it: dkms does, with mok_signing_key= in "
			      "/etc/dkms/framework.conf; sudo multikvm package does, "
			      "with --key and --cert");
	} else if (!keys || !strstr(keys, signer)) {
		sizes[0] = asprintf(problem,
				    "%s is signed by \"%s\", a key that is not enrolled",
				    module, signer);
		sizes[1] =
			!strcmp(signer, KEY_OF_DKMS)
				? asprintf(next,
					   "sudo mokutil --import /var/lib/dkms/mok.pub, "
					   "then reboot")
				: asprintf(next,
					   "sudo mokutil --import CERT, the certificate "
					   "of "
					   "\"%s\" in DER form, then reboot",
					   signer);
	} else {
		sizes[0] = sizes[1] = -1;
	}
	free(signer);
	free(keys);
	if (sizes[0] >= 0 && sizes[1] >= 0)
		return true;
	*problem = *next = NULL; /* no memory, or nothing is wrong */
	return false;
}
