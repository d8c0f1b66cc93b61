// SPDX-License-Identifier: GPL-2.0-only
static struct kvm *kvm_create_vm(unsigned long type, const char *fdname)
{
	int r;

	r = kvm_arch_init_vm(kvm, type);
	if (r)
		goto out_err_no_arch_destroy_vm;

	r = kvm_enable_virtualization();
	if (r)
		goto out_err_no_disable;

	return kvm;

out_err_no_mmu_notifier:
	kvm_disable_virtualization();
out_err_no_disable:
	kvm_arch_destroy_vm(kvm);
out_err_no_arch_destroy_vm:
	return ERR_PTR(r);
}

static void kvm_destroy_vm(struct kvm *kvm)
{
	int i;
	struct mm_struct *mm = kvm->mm;

	kvm_arch_free_vm(kvm);
	kvm_disable_virtualization();
	mmdrop(mm);
}

/* Near misses: somebody else who enables, and another who wants the memory's owner. */
static int others(struct kvm *kvm)
{
	struct mm_struct *mm = kvm->mm;
	int r;

	r = kvm_enable_virtualization();
	if (!r)
		kvm_disable_virtualization();
	return r;
}
