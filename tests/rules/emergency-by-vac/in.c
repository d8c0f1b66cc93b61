// SPDX-License-Identifier: GPL-2.0-only
static void vmx_exit(void)
{
	cpu_emergency_unregister_virt_callback(vmx_emergency_disable);
	vmx_cleanup_l1d_flush();
}

static int vmx_init(void)
{
	cpu_emergency_register_virt_callback(vmx_emergency_disable);
	/* Near miss: somebody else's. */
	cpu_emergency_register_virt_callback(other_emergency_disable);
	return 0;
}
