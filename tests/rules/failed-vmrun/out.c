// SPDX-License-Identifier: GPL-2.0-only
static fastpath_t svm_vcpu_run(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	svm_vcpu_enter_exit(vcpu);
	svm->next_rip = 0;

	if (unlikely(svm->vmcb->control.exit_code == SVM_EXIT_ERR)) {
		if (svm->vmcb->control.tlb_ctl == TLB_CONTROL_FLUSH_ALL_ASID)
			this_cpu_ptr(&svm_data)->asid_generation = vac_svm_asid_flush_failed();
	} else {
		svm->vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
		vmcb_mark_all_clean(svm->vmcb);
	}

	return svm_exit_handlers_fastpath(vcpu);
}

/* Near misses: another function, and another VMCB. */
static void prepare_nested(struct vcpu_svm *svm, struct vmcb *vmcb02)
{
	svm->vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
	vmcb02->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
}
