// SPDX-License-Identifier: GPL-2.0-only
static void svm_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct svm_cpu_data *sd = per_cpu_ptr(&svm_data, cpu);
	enum vac_last last = vac_vcpu_load(kvm_vac, vcpu->arch.vac_vcpu);
	if (last == VAC_LAST_OTHER)
		sd->asid_generation = vac_svm_asid_generation();
	if (last != VAC_LAST_VCPU)
		sd->current_vmcb = NULL;

	if (sd->current_vmcb != svm->vmcb) {
		sd->current_vmcb = svm->vmcb;
		barrier_of(vcpu);
	}
	if (uses_avic(vcpu))
		avic_load(vcpu, cpu);
}

static void svm_vcpu_put(struct kvm_vcpu *vcpu)
{
	if (uses_avic(vcpu))
		avic_put(vcpu);
	++vcpu->stat.host_state_reload;
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
