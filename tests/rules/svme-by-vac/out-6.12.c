// SPDX-License-Identifier: GPL-2.0-only
static void svm_disable_virtualization_cpu(void)
{
}

static int svm_enable_virtualization_cpu(void)
{
	struct svm_cpu_data *sd;
	int me = raw_smp_processor_id();

	if (!has_svm())
		return -EINVAL;
	sd = per_cpu_ptr(&svm_data, me);
	sd->tss_desc = tss_of(me);

	/* Near misses: what an instance finds out for itself. */
	if (static_cpu_has(X86_FEATURE_OSVW)) {
		rdmsrl(MSR_AMD64_OSVW_STATUS, osvw_status);
		wrmsrl(MSR_OTHER, sd->save_area_pa);
	}
	sd->other_asid = max_sev_asid + 1;

	return 0;
}

/* Near misses: values for guests, and a variable of that name elsewhere. */
static int svm_set_efer(struct kvm_vcpu *vcpu, u64 value)
{
	uint64_t efer;

	if (value & EFER_SVME)
		return -EBUSY;
	efer = value | EFER_SVME;
	amd_pmu_disable_virt();
	return guest_wrmsrl(vcpu, MSR_EFER, efer);
}
