// SPDX-License-Identifier: GPL-2.0-only
// rule: vcpu-number
// why: a vCPU is told from another by a number of vac's that is never used again, not by its
//   address, which is. It has one before it is loaded for the first time, and nothing after that
//   fails
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
