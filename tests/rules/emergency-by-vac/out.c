// SPDX-License-Identifier: GPL-2.0-only
static void vmx_exit(void)
{
	vac_vmx_emergency_unregister(kvm_vac);
	vmx_cleanup_l1d_flush();
}

static int vmx_init(void)
{
	vac_vmx_emergency_register(kvm_vac, vmx_emergency_disable);
	/* Near miss: somebody else's. */
	cpu_emergency_register_virt_callback(other_emergency_disable);
	return 0;
}
