// SPDX-License-Identifier: GPL-2.0-only
// rule: tsc-ratio-by-vac
// why: what MSR_AMD64_TSC_RATIO holds is a fact of the CPU, not of an instance
// hazard: 10
// files: arch/x86/kvm/svm/svm.c   hits: 1

@write@
typedef u64;
position hit;
identifier multiplier;
@@
 void __svm_write_tsc_multiplier@hit(u64 multiplier)
 {
- ...
+ 	vac_svm_tsc_ratio_set(multiplier);
 }
