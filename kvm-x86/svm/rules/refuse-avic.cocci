// SPDX-License-Identifier: GPL-2.0-only
// rule: refuse-avic
// why: the IOMMU's GA log has one notifier, and AVIC VM ids are 24 bits for the whole machine. Refused
//   whatever the loaded vac mediates: an instance has no code that uses it
// hazard: 15
// files: arch/x86/kvm/svm/avic.c   hits: 2

@setup@
position hit;
@@
 avic_hardware_setup@hit(...)
 {
+ 	pr_info("AVIC is not mediated: disabled\n");
+ 	return false;
 	...
 }

@notifier@
position hit;
@@
- if (avic_mode != AVIC_MODE_NONE)
- 	amd_iommu_register_ga_log_notifier@hit(&avic_ga_log_notifier);

@notifier_alone depends on !notifier@
position hit;
@@
- amd_iommu_register_ga_log_notifier@hit(&avic_ga_log_notifier);
