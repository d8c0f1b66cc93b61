// SPDX-License-Identifier: GPL-2.0-only
static int vmx_hardware_enable(void)
{
	int cpu = raw_smp_processor_id();

	if (enlightened && !page_of(cpu))
		return -EFAULT;

	return 0;
}

/* Near misses: a vCPU's own flush, where it comes to a CPU. */
static void vmx_flush_tlb_all(struct kvm_vcpu *vcpu)
{
	if (enable_ept)
		ept_sync_global();
	else if (enable_vpid)
		vpid_sync_vcpu_global();
}

static void vmx_hardware_enabled(void)
{
	if (enable_ept)
		ept_sync_global();
}
