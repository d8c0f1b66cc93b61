// SPDX-License-Identifier: GPL-2.0-only
// rule: svm-emergency
// why: in a crash vac switches SVM off, once for all, and tells each instance that it did
// hazard: 1, 3, 5
// files: arch/x86/kvm/svm/svm.c   hits: 3
// when: svm.c has svm_emergency_disable_virtualization_cpu

@drop_emergency@
position hit;
@@
- static void svm_emergency_disable_virtualization_cpu@hit(void) { ... }

@drop_disable@
position hit;
@@
- static inline void kvm_cpu_svm_disable@hit(void) { ... }

@drop_op@
identifier ops;
position hit;
@@
 struct kvm_x86_ops ops = {
- 	.emergency_disable_virtualization_cpu = svm_emergency_disable_virtualization_cpu@hit,
 };
