// SPDX-License-Identifier: GPL-2.0-only
// rule: refuse-sev
// why: an SEV ASID is a slot for an encryption key, and two allocators would share one
// hazard: 8
// files: arch/x86/kvm/svm/sev.c   hits: 1

@setup@
position hit;
@@
- if (!sev_enabled@hit || !npt_enabled)
+ 	if (sev_enabled && boot_cpu_has(X86_FEATURE_SEV) &&
+ 	    !(vac_capabilities() & VAC_CAP_SEV_ASID))
+ 		pr_info("SEV is not mediated by the loaded vac: disabled\n");
+ 	if (!sev_enabled || !npt_enabled || !(vac_capabilities() & VAC_CAP_SEV_ASID))
 		goto out;
