/* SPDX-License-Identifier: GPL-2.0-only */
struct kvm {
	struct kvm_arch arch;
	bool vm_dead;
	struct kvm_record record;
};

/* A near miss: it is asked. */
static inline bool is_dead(struct kvm *kvm)
{
	return kvm->vm_dead;
}
