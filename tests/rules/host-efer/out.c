// SPDX-License-Identifier: GPL-2.0-only
static int setup(void)
{
	u64 efer;

	/* Near misses: another variable, another MSR. */
	rdmsrl_safe(MSR_EFER, &efer);
	rdmsrl_safe(MSR_OTHER, &host_efer);
	vac_uret_host(MSR_EFER, &host_efer);
	host_efer &= ~EFER_SVME;
	return efer == host_efer;
}
