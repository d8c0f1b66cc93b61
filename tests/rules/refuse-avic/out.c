// SPDX-License-Identifier: GPL-2.0-only
bool avic_hardware_setup(struct kvm_x86_ops *ops)
{
	pr_info("AVIC is not mediated: disabled\n");
	return false;
	if (!npt_enabled)
		return false;
	avic_mode = boot_cpu_has(X86_FEATURE_AVIC) ? AVIC_MODE_X1 : AVIC_MODE_NONE;

	return !!avic_mode;
}

/* Near misses: another notifier, another use of the mode. */
bool other_hardware_setup(struct kvm_x86_ops *ops)
{
	if (avic_mode != AVIC_MODE_NONE)
		amd_iommu_register_ga_log_notifier(&other_notifier);
	if (avic_mode != AVIC_MODE_NONE)
		amd_iommu_activate(ops);
	return false;
}
