// SPDX-License-Identifier: GPL-2.0-only
void sev_hardware_setup(void)
{
	bool supported = false;

	if (sev_enabled && boot_cpu_has(X86_FEATURE_SEV))
		pr_info("SEV is not mediated: disabled\n");
	sev_enabled = false;
	if (!sev_enabled || !npt_enabled)
		goto out;

	/* Near misses: half of the question, and the same one with another answer. */
	if (!sev_enabled)
		goto out;
	if (!sev_enabled || !npt_enabled)
		return;
	if (!sev_es_enabled || !npt_enabled)
		goto out;
	supported = true;
out:
	sev_enabled = supported;
}
