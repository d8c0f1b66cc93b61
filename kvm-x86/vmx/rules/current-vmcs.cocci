// SPDX-License-Identifier: GPL-2.0-only
// rule: current-vmcs
// why: after any other vCPU ran here, of whichever instance, the VMCS that this one believes to be
//   current is not, and the branch predictor was trained by somebody else
// hazard: 4, 11, 16
// files: arch/x86/kvm/vmx/vmx.c   hits: 1

@load@
position hit;
identifier vcpu, cpu;
@@
 static void vmx_vcpu_load@hit(struct kvm_vcpu *vcpu, int cpu)
 {
 	...
+ 	if (vac_vcpu_load(kvm_vac, vcpu->arch.vac_vcpu) != VAC_LAST_VCPU)
+ 		per_cpu(current_vmcs, cpu) = NULL;
 	vmx_vcpu_load_vmcs(vcpu, cpu, NULL);
 	...
 }
