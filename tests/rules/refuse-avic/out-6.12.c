// SPDX-License-Identifier: GPL-2.0-only
bool avic_hardware_setup(void)
{
	pr_info("AVIC is not mediated: disabled\n");
	return false;
	if (!npt_enabled)
		return false;

	x2avic_enabled = boot_cpu_has(X86_FEATURE_X2AVIC);

	return true;
}

/* Near miss: another notifier. */
static void other(void)
{
	amd_iommu_register_ga_log_notifier(NULL);
}
