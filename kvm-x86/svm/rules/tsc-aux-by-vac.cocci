// SPDX-License-Identifier: GPL-2.0-only
// rule: tsc-aux-by-vac
// why: the host's TSC_AUX in the host-save page is the CPU's. vac writes it when virtualization comes on;
//   the first VM of an instance may come while a guest of another has its own value in the MSR
// hazard: 5, 9
// files: arch/x86/kvm/svm/svm.c   hits: 1
// when: arch/x86/kvm/svm/svm.c has sev_es_host_save_area

@prime@
position hit;
identifier enable = {svm_hardware_enable, svm_enable_virtualization_cpu};
@@
 enable(void)
 {
 	...
- 	if (boot_cpu_has(X86_FEATURE_V_TSC_AUX@hit)) { ... }
 	...
 }
