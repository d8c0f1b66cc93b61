// SPDX-License-Identifier: GPL-2.0-only
void kvm_arch_enable_virtualization(void)
{
	if (kvm_x86_ops.emergency_disable_virtualization_cpu)
		vac_vmx_emergency_register(kvm_vac,
					   kvm_x86_ops.emergency_disable_virtualization_cpu);
}

void kvm_arch_disable_virtualization(void)
{
	if (kvm_x86_ops.emergency_disable_virtualization_cpu)
		vac_vmx_emergency_unregister(kvm_vac);
}

/* Near miss: a callback that is called. */
static void now(void)
{
	kvm_x86_ops.emergency_disable_virtualization_cpu();
}
