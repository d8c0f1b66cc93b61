// SPDX-License-Identifier: GPL-2.0-only
static fastpath_t svm_vcpu_run(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	if (this_cpu_ptr(&svm_data)->flush_all_asids) {
		svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
		vmcb_mark_dirty(svm->vmcb, VMCB_ASID);
	}
	svm_vcpu_enter_exit(vcpu);

	if (unlikely(svm->vmcb->control.exit_code == SVM_EXIT_ERR)) {
		if (this_cpu_ptr(&svm_data)->flush_all_asids)
			this_cpu_ptr(&svm_data)->asid_generation = vac_svm_asid_flush_failed();
	} else {
		this_cpu_ptr(&svm_data)->flush_all_asids = false;
		svm->vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;

		vmcb_mark_all_clean(svm->vmcb);
	}

	return svm_exit_handlers_fastpath(vcpu);
}

/* Near misses: another function, and a question that is put otherwise. */
static void leave_nested(struct vcpu_svm *svm)
{
	if (svm->vmcb->control.exit_code != SVM_EXIT_ERR) {
		this_cpu_ptr(&svm_data)->flush_all_asids = false;
		vmcb_mark_all_clean(svm->vmcb);
	}
	if (svm->nested.pending && svm->vmcb->control.exit_code != SVM_EXIT_ERR)
		svm->nested.left++;
}
