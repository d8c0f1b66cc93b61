// SPDX-License-Identifier: GPL-2.0-only
static int caches(void)
{
	lists = kmem_cache_create(KVM_OWN_NAME("-pte_list_desc"),
				  sizeof(struct list), 0, SLAB_ACCOUNT, NULL);
	headers = kmem_cache_create(KVM_OWN_NAME("-mmu_page_header"),
				    sizeof(struct header), 0, 0, NULL);
	others = kmem_cache_create("kvm_mmu_page", sizeof(struct header), 0, 0, NULL);
	return lists && headers && others ? 0 : -ENOMEM;
}

static int worker(struct kvm *kvm)
{
	int r;

	r = kvm_vm_create_worker_thread(kvm, recover, 0,
					KVM_OWN_NAME("-nx-lpage-recovery"),
					&kvm->one);
	if (r)
		return r;
	return kvm_vm_create_worker_thread(kvm, other, 0, "kvm-other", &kvm->two);
}
