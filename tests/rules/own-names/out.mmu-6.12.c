// SPDX-License-Identifier: GPL-2.0-only
static int caches(void)
{
	lists = kmem_cache_create(KVM_OWN_NAME("-pte_list_desc"),
				  sizeof(struct pte_list_desc),
				  __alignof__(struct pte_list_desc),
				  SLAB_ACCOUNT, NULL);
	headers = kmem_cache_create(KVM_OWN_NAME("-mmu_page_header"),
				    sizeof(struct header), 0, 0, NULL);
	others = kmem_cache_create("kvm_mmu_page", sizeof(struct header), 0, 0, NULL);
	return lists && headers && others ? 0 : -ENOMEM;
}

static int worker(struct kvm *kvm)
{
	kvm->one = vhost_task_create(recover, kill, kvm,
				     KVM_OWN_NAME("-nx-lpage-recovery"));
	if (IS_ERR(kvm->one))
		return PTR_ERR(kvm->one);
	kvm->two = vhost_task_create(other, kill, kvm, "kvm-other");
	return 0;
}
