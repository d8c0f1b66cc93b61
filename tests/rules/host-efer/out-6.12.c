// SPDX-License-Identifier: GPL-2.0-only
static int kvm_x86_vendor_init(struct kvm_x86_init_ops *ops)
{
	vac_uret_host(MSR_EFER, &kvm_host.efer);
	kvm_host.efer &= ~EFER_SVME;
	/* Near miss: another register. */
	rdmsrl_safe(MSR_IA32_CR_PAT, &kvm_host.efer);
	return 0;
}
