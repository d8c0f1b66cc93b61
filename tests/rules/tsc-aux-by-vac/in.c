// SPDX-License-Identifier: GPL-2.0-only
static int svm_enable_virtualization_cpu(void)
{
	struct svm_cpu_data *sd = this_cpu_ptr(&svm_data);

	svm_init_erratum_383();
	amd_pmu_enable_virt();

	if (boot_cpu_has(X86_FEATURE_V_TSC_AUX)) {
		u32 __maybe_unused high;

		rdmsr(MSR_TSC_AUX, sev_es_host_save_area(sd)->tsc_aux, high);
	}

	return 0;
}

/* Near misses: the same question elsewhere, about a guest. */
static void svm_prepare(struct kvm_vcpu *vcpu)
{
	if (boot_cpu_has(X86_FEATURE_V_TSC_AUX)) {
		set_msr_interception(vcpu, MSR_TSC_AUX);
	}
	if (!boot_cpu_has(X86_FEATURE_V_TSC_AUX))
		kvm_set_user_return_msr(slot, 0, -1ull);
}
