// SPDX-License-Identifier: GPL-2.0-only
struct kvm_vcpu_arch;

struct kvm_vcpu_arch_other {
	u64 one;
};

struct kvm_vcpu_arch {
	/* the registers */
	u64 regs[16];
};

static inline struct kvm_vcpu_arch *arch_of(struct kvm_vcpu *vcpu) { return &vcpu->arch; }
