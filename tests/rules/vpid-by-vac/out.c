// SPDX-License-Identifier: GPL-2.0-only
static int other;

int allocate_vpid(void)
{
	if (!enable_vpid)
		return 0;
	return vac_vmx_vpid_alloc(kvm_vac);
}

void free_vpid(int vpid)
{
	if (!enable_vpid || vpid == 0)
		return;
	vac_vmx_vpid_free(kvm_vac, vpid);
}

static int hardware_setup(void)
{
	before();
	return after();
}
