// SPDX-License-Identifier: GPL-2.0-only
int kvm_arch_vcpu_create(struct kvm_vcpu *vcpu)
{
	int r;

	r = one(vcpu);
	if (r)
		goto fail;

	vcpu->arch.vac_vcpu = vac_vcpu_add(vcpu->kvm->arch.vac_vm);
	vcpu_load(vcpu);
	first(vcpu);
	vcpu_put(vcpu);
	return 0;

fail:
	undo(vcpu);
	return r;
}

void kvm_arch_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	int index;

	index = lock();
	undo(vcpu);
	unlock(index);
	vac_vcpu_del(vcpu->kvm->arch.vac_vm);
}

/* Near misses: what else is done to a vCPU. */
int kvm_arch_vcpu_precreate(struct kvm *kvm, unsigned int id)
{
	return 0;
}

void kvm_arch_vcpu_postcreate(struct kvm_vcpu *vcpu)
{
	vcpu_load(vcpu);
	last(vcpu);
	vcpu_put(vcpu);
}
