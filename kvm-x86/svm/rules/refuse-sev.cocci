// SPDX-License-Identifier: GPL-2.0-only
// rule: refuse-sev
// why: an SEV ASID is a slot for an encryption key, and two allocators would share one. Switched off as
//   the parameter "sev" does it, since newer releases initialise the PSP even after they gave up on SEV.
//   Refused whatever the loaded vac mediates: an instance has no code that uses it
// hazard: 8
// files: arch/x86/kvm/svm/sev.c   hits: 1

@setup@
position hit;
@@
(
- if (!sev_enabled@hit || !npt_enabled)
- 	goto out;
+ 	if (sev_enabled && boot_cpu_has(X86_FEATURE_SEV))
+ 		pr_info("SEV is not mediated: disabled\n");
+ 	sev_enabled = false;
+ 	if (!sev_enabled || !npt_enabled)
+ 		goto out;
|
- if (!sev_enabled@hit || !npt_enabled || !nrips)
- 	goto out;
+ 	if (sev_enabled && boot_cpu_has(X86_FEATURE_SEV))
+ 		pr_info("SEV is not mediated: disabled\n");
+ 	sev_enabled = false;
+ 	if (!sev_enabled || !npt_enabled || !nrips)
+ 		goto out;
)
