// SPDX-License-Identifier: GPL-2.0-only
static int other;
static DEFINE_PER_CPU(struct vmcs *, current_vmcs);

static int hardware_setup(void)
{
	int r = before();

	if (r)
		return r;
	r = 0;
	after();
	return r;
}

static void hardware_unsetup(void)
{
	if (nested)
		nested_vmx_hardware_unsetup();
}

void vmx_emergency_disable_virtualization_cpu(void)
{
	struct area *one;

	list_for_each_entry(one, &areas, link)
		vmcs_clear(one->vmcs);
}

int vmx_enable_virtualization_cpu(void)
{
	int cpu = raw_smp_processor_id();

	/* another host's need */
	if (enlightened && !page_of(cpu))
		return -EFAULT;

	if (enable_ept)
		ept_sync_global();

	return 0;
}

void vmx_disable_virtualization_cpu(void)
{
	clear_all();

	reset_host();
}

/* Near misses: the same calls and words where they are no switch of this CPU. */
static bool guest_may_vmxon(u64 cr4)
{
	if (cr4_read_shadow() & X86_CR4_OTHER)
		intel_pt_handle_vmx(1);
	if (cpu_vmxoff())
		return false;
	return cr4 & X86_CR4_VMXE;
}
