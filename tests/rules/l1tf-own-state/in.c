// SPDX-License-Identifier: GPL-2.0-only
static int other;
static DEFINE_MUTEX(vmx_l1d_flush_mutex);

static int set(int l1tf)
{
	if (l1tf_vmx_mitigation == VMENTER_L1D_FLUSH_AUTO)
		return early(l1tf);
	return 0;
}
