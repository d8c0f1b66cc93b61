// SPDX-License-Identifier: GPL-2.0-only
static int other;
static DECLARE_BITMAP(vmx_vpid_bitmap, VMX_NR_VPIDS);
static DEFINE_SPINLOCK(vmx_vpid_lock);

int allocate_vpid(void)
{
	int vpid;

	if (!enable_vpid)
		return 0;
	spin_lock(&vmx_vpid_lock);
	vpid = lowest();
	spin_unlock(&vmx_vpid_lock);
	return vpid;
}

void free_vpid(int vpid)
{
	if (!enable_vpid || vpid == 0)
		return;
	spin_lock(&vmx_vpid_lock);
	give_back(vpid);
	spin_unlock(&vmx_vpid_lock);
}

static int hardware_setup(void)
{
	before();
	set_bit(0, vmx_vpid_bitmap);
	return after();
}
