// SPDX-License-Identifier: GPL-2.0-only
void kvm_arch_enable_virtualization(void)
{
	cpu_emergency_register_virt_callback(kvm_x86_ops.emergency_disable_virtualization_cpu);
}

void kvm_arch_disable_virtualization(void)
{
	cpu_emergency_unregister_virt_callback(kvm_x86_ops.emergency_disable_virtualization_cpu);
}

/* Near miss: a callback that is called. */
static void now(void)
{
	kvm_x86_ops.emergency_disable_virtualization_cpu();
}
