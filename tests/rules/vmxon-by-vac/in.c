// SPDX-License-Identifier: GPL-2.0-only
static void vmx_emergency_disable(void)
{
	struct area *one;

	list_for_each_entry(one, &areas, link)
		vmcs_clear(one->vmcs);

	__cpu_emergency_vmxoff();
}

static int vmx_hardware_enable(void)
{
	int cpu = raw_smp_processor_id();
	u64 area = __pa(per_cpu(vmxarea, cpu));
	int r;

	if (cr4_read_shadow() & X86_CR4_VMXE)
		return -EBUSY;

	/* another host's need */
	if (enlightened && !page_of(cpu))
		return -EFAULT;

	intel_pt_handle_vmx(1);

	r = kvm_cpu_vmxon(area);
	if (r) {
		intel_pt_handle_vmx(0);
		return r;
	}

	if (enable_ept)
		ept_sync_global();

	return 0;
}

static void vmx_hardware_disable(void)
{
	clear_all();

	if (cpu_vmxoff())
		kvm_spurious_fault();

	reset_host();

	intel_pt_handle_vmx(0);
}

static void start(void)
{
	cpu_emergency_register_virt_callback(vmx_emergency_disable);
	cpu_emergency_register_virt_callback(other_disable);
}

static void stop(void)
{
	cpu_emergency_unregister_virt_callback(other_disable);
	cpu_emergency_unregister_virt_callback(vmx_emergency_disable);
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
