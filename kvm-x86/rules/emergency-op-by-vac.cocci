// SPDX-License-Identifier: GPL-2.0-only
// rule: emergency-op-by-vac
// why: a crash has one callback; in it vac asks every instance to clear its VMCSs before VMX goes off. SVM
//   has nothing to clear (svm-emergency)
// hazard: 3
// files: arch/x86/kvm/x86.c   hits: 2
// when: x86.c has cpu_emergency_register_virt_callback

@add_hook@
position hit;
expression clear;
@@
- cpu_emergency_register_virt_callback@hit(clear);
+ if (clear)
+ 	vac_vmx_emergency_register(kvm_vac, clear);

@del_hook@
position hit;
expression clear;
@@
- cpu_emergency_unregister_virt_callback@hit(clear);
+ if (clear)
+ 	vac_vmx_emergency_unregister(kvm_vac);
