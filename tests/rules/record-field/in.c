/* SPDX-License-Identifier: GPL-2.0-only */
struct kvm_vcpu_arch {
	unsigned long regs[17];
};

struct kvm_arch {
	unsigned long n_used_mmu_pages;
};

/* A near miss: the structure's other uses. */
struct kvm {
	struct kvm_arch arch;
};
