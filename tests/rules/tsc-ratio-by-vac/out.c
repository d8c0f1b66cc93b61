// SPDX-License-Identifier: GPL-2.0-only
void __svm_write_tsc_multiplier(u64 ratio)
{
	vac_svm_tsc_ratio_set(ratio);
}

/* A near miss: who calls it. */
static void svm_write_tsc_multiplier(struct kvm_vcpu *vcpu, u64 ratio)
{
	__svm_write_tsc_multiplier(ratio);
}
