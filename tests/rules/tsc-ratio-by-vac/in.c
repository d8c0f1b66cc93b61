// SPDX-License-Identifier: GPL-2.0-only
void __svm_write_tsc_multiplier(u64 ratio)
{
	if (ratio != __this_cpu_read(current_tsc_ratio)) {
		wrmsrl(MSR_AMD64_TSC_RATIO, ratio);
		__this_cpu_write(current_tsc_ratio, ratio);
	}
}

/* A near miss: who calls it. */
static void svm_write_tsc_multiplier(struct kvm_vcpu *vcpu, u64 ratio)
{
	__svm_write_tsc_multiplier(ratio);
}
