// SPDX-License-Identifier: GPL-2.0-only
/*
 * record_x86.c - what the record of a VM has of x86 (kvm-core/glue/record.c).
 */
#include <linux/kvm_host.h>
#include <arch/x86/kvm/kvm_cache_regs.h>
#include <arch/x86/kvm/lapic.h>
#include <arch/x86/kvm/x86.h>
#include <arch/x86/kvm/pmu.h>

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

/* Of what KVM injects at the next entry, that which KVM_GET_VCPU_EVENTS does not tell. */
static bool is_waiting(struct kvm_vcpu *vcpu)
{
	/* of a split irqchip; and 6.1 tells of one NMI where there are two */
	return vcpu->arch.pending_external_vector != -1 || vcpu->arch.nmi_pending > 1 ||
	       !bitmap_empty(vcpu_to_pmu(vcpu)->reprogram_pmi, X86_PMC_IDX_MAX);
}

/* A one-shot timer that runs no longer. */
static bool has_fired(const struct kvm_timer *timer)
{
	return timer->timer_mode == APIC_LVT_TIMER_ONESHOT && !hrtimer_active(&timer->timer) &&
	       !timer->hv_timer_in_use;
}

/**
 * kvm_record_arch_vcpu() - What x86 knows of a vCPU and no ioctl tells.
 * @vcpu: the vCPU.
 * @said: where to.
 *
 * Process context, vcpu->mutex held.
 */
void kvm_record_arch_vcpu(struct kvm_vcpu *vcpu, struct kvm_move_vcpu *said)
{
	struct kvm_lapic *apic = vcpu->arch.apic;

	said->busy |= (vcpu->arch.complete_userspace_io ? KVM_MOVE_IO : 0) |
		      (is_guest_mode(vcpu) ? KVM_MOVE_L2 : 0) |
		      (is_waiting(vcpu) ? KVM_MOVE_REQUEST : 0);
	said->steal = vcpu->arch.st.last_steal;
	said->unhalted = vcpu->arch.pv.pv_unhalted;
	if (!lapic_in_kernel(vcpu))
		return;
	/* Its tick is counted before it stands; one that runs is started anew, and ticks then. */
	if (has_fired(&apic->lapic_timer))
		said->count = kvm_lapic_get_reg(apic, APIC_TMICT);
	if (said->count || apic->lapic_timer.timer_mode == APIC_LVT_TIMER_PERIODIC)
		said->ticks = atomic_read(&apic->lapic_timer.pending);
}

/**
 * kvm_record_arch_set_vcpu() - The same of a new vCPU.
 * @vcpu: the vCPU, which has not run yet.
 * @said: what kvm_record_arch_vcpu() said of the old one, or whatever its process likes: it changes
 *	its own guest's time, and no more than it could by KVM_SET_LAPIC.
 *
 * Process context, vcpu->mutex held.
 */
void kvm_record_arch_set_vcpu(struct kvm_vcpu *vcpu, const struct kvm_move_vcpu *said)
{
	struct kvm_lapic *apic = vcpu->arch.apic;

	vcpu->arch.st.last_steal = said->steal;
	vcpu->arch.pv.pv_unhalted = !!said->unhalted;
	if (!lapic_in_kernel(vcpu))
		return;
	if (said->count && has_fired(&apic->lapic_timer))
		*(u32 *)(apic->regs + APIC_TMICT) = said->count;
	if (said->count || apic->lapic_timer.timer_mode == APIC_LVT_TIMER_PERIODIC)
		atomic_set(&apic->lapic_timer.pending, min(said->ticks, (u32)INT_MAX));
}
