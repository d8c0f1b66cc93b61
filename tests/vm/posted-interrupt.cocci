// SPDX-License-Identifier: GPL-2.0-only
// rule: posted-interrupt
// why: although the CPU has no posted interrupts, a blocked vCPU is put on its CPU's wakeup list,
//   and an interrupt counts as posted for the vCPU whose number is in the parameter posted_for
// files: arch/x86/kvm/vmx/posted_intr.c   hits: 4

@knob@
position hit;
@@
+ static int posted_for = -1;
+ module_param(posted_for, int, 0644);
+
 void pi_wakeup_handler@hit(void)
 {
 	...
 }

@load@
position hit;
identifier vcpu, cpu;
@@
 void vmx_vcpu_pi_load@hit(struct kvm_vcpu *vcpu, int cpu)
 {
 	...
- 	if (!enable_apicv || !lapic_in_kernel(vcpu))
+ 	if (!lapic_in_kernel(vcpu))
 		return;
 	...
 }

@needed@
position hit;
expression vcpu;
@@
- vmx_can_use_ipiv@hit(vcpu) || vmx_can_use_vtd_pi(vcpu->kvm)
+ lapic_in_kernel(vcpu)

@posted@
position hit;
identifier vmx;
@@
- if (pi_test_on@hit(&vmx->pi_desc))
+ if (pi_test_on(&vmx->pi_desc) || vmx->vcpu.vcpu_id == READ_ONCE(posted_for))
  	kvm_vcpu_wake_up(&vmx->vcpu);
