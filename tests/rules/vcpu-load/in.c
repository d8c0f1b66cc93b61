// SPDX-License-Identifier: GPL-2.0-only
static void svm_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct svm_cpu_data *sd = per_cpu_ptr(&svm_data, cpu);

	if (sd->current_vmcb != svm->vmcb) {
		sd->current_vmcb = svm->vmcb;
		barrier_of(vcpu);
	}
	if (uses_avic(vcpu))
		avic_load(vcpu, cpu);
}


/* Near misses: who forgets a VMCB, and another load. */
static void svm_forget(struct kvm_vcpu *vcpu, int cpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct svm_cpu_data *sd = per_cpu_ptr(&svm_data, cpu);

	if (sd->current_vmcb != svm->vmcb) {
		log(cpu);
	}
}
