// SPDX-License-Identifier: GPL-2.0-only
static int other;
static DEFINE_PER_CPU(struct vmcs *, vmxarea);
static DEFINE_PER_CPU(struct vmcs *, current_vmcs);

static void free_kvm_area(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_vmcs(per_cpu(vmxarea, cpu));
}

static __init int alloc_kvm_area(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct vmcs *vmcs = alloc_vmcs_cpu(false, cpu);

		if (!vmcs) {
			free_kvm_area();
			return -ENOMEM;
		}
		per_cpu(vmxarea, cpu) = vmcs;
	}
	return 0;
}

static int hardware_setup(void)
{
	int r = before();

	if (r)
		return r;
	r = alloc_kvm_area();
	if (r && nested)
		nested_vmx_hardware_unsetup();
	after();
	return r;
}

static void hardware_unsetup(void)
{
	if (nested)
		nested_vmx_hardware_unsetup();
	free_kvm_area();
}

void vmx_emergency_disable_virtualization_cpu(void)
{
	struct area *one;

	list_for_each_entry(one, &areas, link)
		vmcs_clear(one->vmcs);

	kvm_cpu_vmxoff();
}

int vmx_enable_virtualization_cpu(void)
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

void vmx_disable_virtualization_cpu(void)
{
	clear_all();

	if (kvm_cpu_vmxoff())
		kvm_spurious_fault();

	reset_host();

	intel_pt_handle_vmx(0);
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
