// SPDX-License-Identifier: GPL-2.0-only
static struct kvm *kvm_create_vm(unsigned long type, const char *fdname)
{
	int r;

	kvm->arch.vac_vm = vac_vm_add(kvm_vac, &(struct vac_vm_desc){
		.size = sizeof(struct vac_vm_desc),
		.kvm = kvm,
	});
	r = PTR_ERR_OR_ZERO(kvm->arch.vac_vm);
	if (r)
		goto out_err_no_arch_destroy_vm;
	r = kvm_arch_init_vm(kvm, type);
	if (r)
		goto out_err_no_disable;

	return kvm;

out_err_no_mmu_notifier:
	kvm_arch_destroy_vm(kvm);
out_err_no_disable:
	vac_vm_del(kvm->arch.vac_vm);
out_err_no_arch_destroy_vm:
	return ERR_PTR(r);
}

static void kvm_destroy_vm(struct kvm *kvm)
{
	int i;
	struct mm_struct *mm = kvm->mm;
	struct vac_vm *vac_vm = kvm->arch.vac_vm;

	kvm_arch_free_vm(kvm);
	vac_vm_del(vac_vm);
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
