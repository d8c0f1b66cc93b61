// SPDX-License-Identifier: GPL-2.0-only
int
kvm_ioeventfd(struct kvm *kvm, struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return kvm_deassign_ioeventfd(kvm, args);

	return kvm_assign_ioeventfd(kvm, args);
}

/* A near miss: only declared. */
int
kvm_ioeventfd(struct kvm *kvm, struct kvm_ioeventfd *args);
