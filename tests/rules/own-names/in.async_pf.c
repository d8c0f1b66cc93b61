// SPDX-License-Identifier: GPL-2.0-only
static int init(void)
{
	faults = KMEM_CACHE(kvm_async_pf, 0);
	others = KMEM_CACHE(kvm_async_pf_other, 0);
	return faults && others ? 0 : -ENOMEM;
}
