// SPDX-License-Identifier: GPL-2.0-only
static int init(void)
{
	faults = kmem_cache_create(KVM_OWN_NAME("-async_pf"),
				   sizeof(struct kvm_async_pf),
				   __alignof__(struct kvm_async_pf), 0, NULL);
	others = KMEM_CACHE(kvm_async_pf_other, 0);
	return faults && others ? 0 : -ENOMEM;
}
