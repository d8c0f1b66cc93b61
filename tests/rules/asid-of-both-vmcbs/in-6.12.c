// SPDX-License-Identifier: GPL-2.0-only
static void pre_svm_run(struct kvm_vcpu *vcpu)
{
	struct svm_cpu_data *sd = per_cpu_ptr(&svm_data, vcpu->cpu);
	struct vcpu_svm *svm = to_svm(vcpu);

	if (unlikely(svm->current_vmcb->cpu != vcpu->cpu)) {
		vmcb_mark_all_dirty(svm->vmcb);
		svm->current_vmcb->cpu = vcpu->cpu;
		svm->vmcb01.asid_generation = 0;
		svm->nested.vmcb02.asid_generation = 0;
	}

	if (sev_guest(vcpu->kvm))
		return pre_sev_run(svm, vcpu->cpu);
	if (svm->current_vmcb->asid_generation != sd->asid_generation)
		new_asid(svm, sd);
}

/* Near misses: another function. */
static void init_vmcb(struct vcpu_svm *svm)
{
	svm->current_vmcb->asid_generation = 0;
	svm->asid = 0;
}
