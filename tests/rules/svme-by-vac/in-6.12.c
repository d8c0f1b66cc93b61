// SPDX-License-Identifier: GPL-2.0-only
static void svm_disable_virtualization_cpu(void)
{
	if (tsc_scaling)
		__svm_write_tsc_multiplier(SVM_TSC_RATIO_DEFAULT);
	kvm_cpu_svm_disable();
	amd_pmu_disable_virt();
}

static int svm_enable_virtualization_cpu(void)
{
	struct svm_cpu_data *sd;
	uint64_t efer;
	int me = raw_smp_processor_id();

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;

	if (!has_svm())
		return -EINVAL;
	sd = per_cpu_ptr(&svm_data, me);
	sd->asid_generation++;
	sd->max_asid = cpuid_ebx(SVM_CPUID_FUNC) - 1;
	sd->next_asid = sd->max_asid + 1;
	sd->min_asid = max_sev_asid + 1;
	sd->tss_desc = tss_of(me);

	wrmsrl(MSR_EFER, efer | EFER_SVME);

	wrmsrl(MSR_VM_HSAVE_PA, sd->save_area_pa);

	if (static_cpu_has(X86_FEATURE_TSCRATEMSR)) {
		/* no stale value */
		__svm_write_tsc_multiplier(SVM_TSC_RATIO_DEFAULT);
	}

	/* Near misses: what an instance finds out for itself. */
	if (static_cpu_has(X86_FEATURE_OSVW)) {
		rdmsrl(MSR_AMD64_OSVW_STATUS, osvw_status);
		wrmsrl(MSR_OTHER, sd->save_area_pa);
	}
	sd->other_asid = max_sev_asid + 1;

	amd_pmu_enable_virt();

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
