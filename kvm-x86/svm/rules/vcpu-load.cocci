// SPDX-License-Identifier: GPL-2.0-only
// rule: vcpu-load
// why: after another instance ran here nothing that this one believes of the CPU holds, and the
//   branch predictor was trained by somebody else even if the VMCB is the one seen last
// hazard: 7, 11, 16
// files: arch/x86/kvm/svm/svm.c   hits: 1

@load@
position hit;
identifier vcpu, cpu, svm, sd;
@@
 static void svm_vcpu_load@hit(struct kvm_vcpu *vcpu, int cpu)
 {
 	struct vcpu_svm *svm = to_svm(vcpu);
 	struct svm_cpu_data *sd = per_cpu_ptr(&svm_data, cpu);
+ 	enum vac_last last = vac_vcpu_load(kvm_vac, vcpu->arch.vac_vcpu);

+ 	if (last == VAC_LAST_OTHER)
+ 		sd->asid_generation = vac_svm_asid_generation();
+ 	if (last != VAC_LAST_VCPU)
+ 		sd->current_vmcb = NULL;
 	if (sd->current_vmcb != svm->vmcb) {
 		...
 	}
 	...
 }
