// SPDX-License-Identifier: GPL-2.0-only
// rule: vcpu-number
// why: vCPUs are told apart by a number of vac's, which is never used again, and not by their
//   address, which is. A vCPU has one before it is loaded for the first time, and nothing after
//   that fails
// hazard: 4, 7, 11
// files: arch/x86/kvm/x86.c   hits: 2

@add@
position hit;
identifier vcpu;
@@
 int kvm_arch_vcpu_create@hit(struct kvm_vcpu *vcpu)
 {
 	...
+ 	vcpu->arch.vac_vcpu = vac_vcpu_add(vcpu->kvm->arch.vac_vm);
 	vcpu_load(vcpu);
 	...
 }

@del@
position hit;
identifier vcpu;
@@
 void kvm_arch_vcpu_destroy@hit(struct kvm_vcpu *vcpu)
 {
 	...
+ 	vac_vcpu_del(vcpu->kvm->arch.vac_vm);
 }
