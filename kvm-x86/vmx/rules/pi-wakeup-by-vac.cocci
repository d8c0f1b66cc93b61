// SPDX-License-Identifier: GPL-2.0-only
// rule: pi-wakeup-by-vac
// why: the wakeup vector has one handler, and the last to set it wins
// hazard: 14
// files: arch/x86/kvm/vmx/vmx.c   hits: 2

@set@
position hit;
@@
- kvm_set_posted_intr_wakeup_handler@hit(pi_wakeup_handler);
+ vac_vmx_pi_wakeup_register(kvm_vac, pi_wakeup_handler);

@clear@
position hit;
@@
- kvm_set_posted_intr_wakeup_handler@hit(NULL);
+ vac_vmx_pi_wakeup_unregister(kvm_vac);
