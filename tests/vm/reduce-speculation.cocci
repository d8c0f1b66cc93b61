// SPDX-License-Identifier: GPL-2.0-only
// rule: reduce-speculation
// why: the emulated CPU has no SRSO_BP_SPEC_REDUCE: an instance assumes that it has it. The MSR is
//   written, and the emulator ignores the value
// when: arch/x86/kvm/svm/svm.c has srso_nr_vms
// files: arch/x86/kvm/svm/svm.c   hits: 3

@there@
position hit;
@@
- cpu_feature_enabled(X86_FEATURE_SRSO_BP_SPEC_REDUCE@hit)
+ true
