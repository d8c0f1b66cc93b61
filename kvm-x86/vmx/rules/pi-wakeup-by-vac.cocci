// SPDX-License-Identifier: GPL-2.0-only
// rule: pi-wakeup-by-vac
// why: the wakeup vector has one handler, and the last to set it wins. Other instances' interrupts may
//   come at any time: vac is told of the handler when its per-CPU lists are there, not before
// hazard: 14
// files: arch/x86/kvm/vmx/vmx.c   hits: 3

@set@
position hit;
@@
- kvm_set_posted_intr_wakeup_handler@hit(pi_wakeup_handler);

@ready@
iterator name for_each_possible_cpu;
identifier cpu;
position hit;
@@
 for_each_possible_cpu(cpu) {
 	...
 	pi_init_cpu@hit(cpu);
 }
+ vac_vmx_pi_wakeup_register(kvm_vac, pi_wakeup_handler);

@clear@
position hit;
@@
- kvm_set_posted_intr_wakeup_handler@hit(NULL);
+ vac_vmx_pi_wakeup_unregister(kvm_vac);
