// SPDX-License-Identifier: GPL-2.0-only
struct kvm_arch {
	struct vac_vm *vac_vm;
	unsigned long n_used_mmu_pages;
};

/* Near miss: the other half of it. */
struct kvm_arch_memory_slot {
	int level;
};
