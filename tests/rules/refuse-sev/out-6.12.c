// SPDX-License-Identifier: GPL-2.0-only
void __init sev_hardware_setup(void)
{
	unsigned int eax;
	bool sev_supported = false;

	if (sev_enabled && boot_cpu_has(X86_FEATURE_SEV))
		pr_info("SEV is not mediated: disabled\n");
	sev_enabled = false;
	if (!sev_enabled || !npt_enabled || !nrips)
		goto out;

	if (!boot_cpu_has(X86_FEATURE_SEV))
		goto out;
	sev_supported = true;
out:
	if (sev_enabled)
		sev_platform_init(&args);
	sev_enabled = sev_supported;
}

/* Near misses: the question elsewhere. */
void sev_vm_destroy(struct kvm *kvm)
{
	if (!sev_enabled)
		return;
}
