// SPDX-License-Identifier: GPL-2.0-only
/*
 * record_x86.c - what the record of a VM has of x86 (kvm-core/glue/record.c).
 */
#include <linux/kvm_host.h>
#include <arch/x86/kvm/kvm_cache_regs.h>

#include "kvm_move.h"

/**
 * kvm_record_arch() - The MSR filter, with its bitmaps behind it.
 * @kvm: the VM.
 * @out: the record.
 *
 * Process context, no locks. The bounds of the bitmaps are those that KVM checked.
 */
void kvm_record_arch(struct kvm *kvm, struct kvm_record_out *out)
{
	size_t at = sizeof(struct kvm_msr_filter), size = at;
	const struct kvm_x86_msr_filter *from;
	const struct msr_bitmap_range *range;
	struct kvm_msr_filter *to = NULL;
	int idx, i;

	idx = srcu_read_lock(&kvm->srcu);
	from = srcu_dereference(kvm->arch.msr_filter, &kvm->srcu);
	for (i = 0; from && i < from->count; i++)
		size += BITS_TO_LONGS(from->ranges[i].nmsrs) * sizeof(long);
	if (from)
		to = kvm_record_put(out, KVM_X86_SET_MSR_FILTER, KVM_MOVE_VM, size);
	if (to && !from->default_allow)
		to->flags = KVM_MSR_FILTER_DEFAULT_DENY;
	for (i = 0; to && i < from->count; i++) {
		range = &from->ranges[i];
		to->ranges[i].flags = range->flags;
		to->ranges[i].nmsrs = range->nmsrs;
		to->ranges[i].base = range->base;
		to->ranges[i].bitmap = (void *)at;
		memcpy((u8 *)to + at, range->bitmap, BITS_TO_LONGS(range->nmsrs) * sizeof(long));
		at += BITS_TO_LONGS(range->nmsrs) * sizeof(long);
	}
	srcu_read_unlock(&kvm->srcu, idx);
}

/**
 * kvm_record_arch_busy() - What of a vCPU is half done.
 * @vcpu: the vCPU.
 *
 * Process context, vcpu->mutex held.
 * Return: KVM_MOVE_IO, KVM_MOVE_L2, or 0.
 */
u32 kvm_record_arch_busy(struct kvm_vcpu *vcpu)
{
	return (vcpu->arch.complete_userspace_io ? KVM_MOVE_IO : 0) |
	       (is_guest_mode(vcpu) ? KVM_MOVE_L2 : 0);
}
