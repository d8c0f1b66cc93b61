// SPDX-License-Identifier: GPL-2.0-only
static void svm_vcpu_load(struct kvm_vcpu *vcpu, int cpu);

static noinline void vac_svm_switch(struct kvm_vcpu *vcpu, int cpu)
{
	struct svm_cpu_data *sd = per_cpu_ptr(&svm_data, cpu);

	if (vac_vcpu_switch(vcpu->kvm->arch.vac_vm, vcpu->arch.vac_vcpu) != VAC_LAST_INSTANCE)
		sd->asid_generation = vac_svm_asid_generation();
	sd->current_vmcb = NULL;
	svm_vcpu_load(vcpu, cpu);
}

static void svm_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct svm_cpu_data *sd = per_cpu_ptr(&svm_data, cpu);

	if (!vac_vcpu_is_last(vcpu->arch.vac_vcpu)) {
		vac_svm_switch(vcpu, cpu);
		return;
	}

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
