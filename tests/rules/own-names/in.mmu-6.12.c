// SPDX-License-Identifier: GPL-2.0-only
static int caches(void)
{
	lists = KMEM_CACHE(pte_list_desc, SLAB_ACCOUNT);
	headers = kmem_cache_create("kvm_mmu_page_header", sizeof(struct header), 0, 0, NULL);
	others = kmem_cache_create("kvm_mmu_page", sizeof(struct header), 0, 0, NULL);
	return lists && headers && others ? 0 : -ENOMEM;
}

static int worker(struct kvm *kvm)
{
	kvm->one = vhost_task_create(recover, kill, kvm, "kvm-nx-lpage-recovery");
	if (IS_ERR(kvm->one))
		return PTR_ERR(kvm->one);
	kvm->two = vhost_task_create(other, kill, kvm, "kvm-other");
	return 0;
}
