// SPDX-License-Identifier: GPL-2.0-only
/*
 * record_x86.c - what the record of a VM has of x86 (kvm-core/glue/record.c).
 */
#include <linux/kvm_host.h>
#include <arch/x86/kvm/i8254.h>
#include <arch/x86/kvm/ioapic.h>
#include <arch/x86/kvm/irq.h>
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
	if (vcpu->arch.pending_external_vector != -1 || vcpu->arch.nmi_pending > 1)
		return true;
	/* Of a vCPU that has never entered the guest, what waits follows from its MSRs. */
	return vcpu->arch.last_vmentry_cpu != -1 &&
	       !bitmap_empty(vcpu_to_pmu(vcpu)->reprogram_pmi, X86_PMC_IDX_MAX);
}

/* Nested state is set before the events, and is another in system management mode. */
static bool is_in_smm(struct kvm_vcpu *vcpu)
{
#ifdef HF_SMM_MASK
	return vcpu->arch.hflags & HF_SMM_MASK;
#else
	return false;
#endif
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
		      (is_waiting(vcpu) || is_in_smm(vcpu) ? KVM_MOVE_REQUEST : 0);
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

/*
 * A perf event counts for the thread that sets the counter's MSRs, in releases where they do not
 * wait for the next entry (6.1: reprogram_counter()). The thread that did so does not run the
 * guest: the one that does makes them anew. A configuration that no counter can have makes it so.
 * For one that is paused nothing is asked: nobody would take that back, and the guest's next MSR
 * does it.
 */
static void count_anew(struct kvm_vcpu *vcpu, struct kvm_pmc *pmc)
{
	if (!pmc->perf_event)
		return;
	pmc->current_config = ~0ULL;
	if (pmc->is_paused)
		return;
	set_bit(pmc->idx, vcpu_to_pmu(vcpu)->reprogram_pmi);
	kvm_make_request(KVM_REQ_PMU, vcpu);
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
	struct kvm_pmu *pmu = vcpu_to_pmu(vcpu);
	int i;

	vcpu->arch.st.last_steal = said->steal;
	vcpu->arch.pv.pv_unhalted = !!said->unhalted;
	for (i = 0; i < ARRAY_SIZE(pmu->gp_counters); i++)
		count_anew(vcpu, &pmu->gp_counters[i]);
	for (i = 0; i < ARRAY_SIZE(pmu->fixed_counters); i++)
		count_anew(vcpu, &pmu->fixed_counters[i]);
	if (!lapic_in_kernel(vcpu))
		return;
	if (said->count && has_fired(&apic->lapic_timer))
		*(u32 *)(apic->regs + APIC_TMICT) = said->count;
	if (said->count || apic->lapic_timer.timer_mode == APIC_LVT_TIMER_PERIODIC)
		atomic_set(&apic->lapic_timer.pending, min(said->ticks, (u32)INT_MAX));
}

/* The lines that the VMM itself holds. */
static u32 lines_held(const unsigned long *states, unsigned int n)
{
	u32 lines = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (test_bit(KVM_USERSPACE_IRQ_SOURCE_ID, &states[i]))
			lines |= BIT(i);
	return lines;
}

static void hold_lines(unsigned long *states, unsigned int n, u32 lines)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		assign_bit(KVM_USERSPACE_IRQ_SOURCE_ID, &states[i], lines & BIT(i));
}

static void stop_pit(struct kvm_pit *pit, struct kvm_move_chips *said)
{
	struct kvm_kpit_state *ps = &pit->pit_state;

	mutex_lock(&ps->lock);
	if (hrtimer_cancel(&ps->timer) > 0)
		said->pit_next =
			max_t(s64, ktime_to_ns(hrtimer_get_remaining(&ps->timer)), 1);
	kthread_flush_work(&pit->expired);
	said->pit_ticks = atomic_read(&ps->pending);
	said->pit_waits = !atomic_read(&ps->irq_ack);
	said->pit_at = ktime_get_ns();
	said->pit_loaded[0] = ktime_to_ns(ps->channels[1].count_load_time);
	said->pit_loaded[1] = ktime_to_ns(ps->channels[2].count_load_time);
	mutex_unlock(&ps->lock);
}

/*
 * Ticks that were due since the PIT stopped, as pit_timer_fn() would have counted them. Returns
 * when the next one is, from now in ns: no later than a period, and not before now.
 */
static u64 ticks_since(struct kvm_kpit_state *ps, u64 next, u64 gone, u32 *ticks)
{
	next = min_t(u64, next, ps->period);
	*ticks = 0;
	if (gone < next)
		return next - gone;
	if (!ps->is_periodic)
		return 1;
	gone -= next;
	*ticks = 1 + div64_u64(gone, ps->period);
	return ps->period - gone % ps->period;
}

#define PIT_STOOD_MAX (10ULL * NSEC_PER_SEC)

static void start_pit(struct kvm_pit *pit, const struct kvm_move_chips *said)
{
	struct kvm_kpit_state *ps = &pit->pit_state;
	u32 ticks = min_t(u32, said->pit_ticks, INT_MAX / 2), missed = 0;
	u64 now, gone, next;
	int i;

	mutex_lock(&ps->lock);
	hrtimer_cancel(&ps->timer);
	kthread_flush_work(&pit->expired);
	now = ktime_get_ns();
	for (i = 0; i < ARRAY_SIZE(said->pit_loaded); i++)
		ps->channels[i + 1].count_load_time =
			ns_to_ktime(min_t(u64, said->pit_loaded[i], now));
	if (said->pit_next && ps->period > 0) {
		gone = now > said->pit_at ? now - said->pit_at : 0;
		next = ticks_since(ps, said->pit_next, min(gone, PIT_STOOD_MAX), &missed);
		hrtimer_start(&ps->timer, ns_to_ktime(now + next), HRTIMER_MODE_ABS);
	}
	if (atomic_read(&ps->reinject))
		ticks += missed;
	atomic_set(&ps->pending, ticks);
	atomic_set(&ps->irq_ack, !said->pit_waits);
	if (missed)
		kthread_queue_work(pit->worker, &pit->expired);
	mutex_unlock(&ps->lock);
}

/*
 * An edge that was delivered is no longer in what KVM_GET_IRQCHIP gives. As long as the pin is
 * high, another one raises nothing.
 */
static void keep_edges(struct kvm_ioapic *ioapic, u32 lines)
{
	unsigned int i;

	for (i = 0; i < IOAPIC_NUM_PINS; i++) {
		if (!(lines & BIT(i)) || ioapic->irr & BIT(i) ||
		    ioapic->redirtbl[i].fields.trig_mode == IOAPIC_LEVEL_TRIG)
			continue;
		ioapic->irr |= BIT(i);
		ioapic->irr_delivered |= BIT(i);
	}
}

/**
 * kvm_record_arch_chips() - What is known of a VM's interrupt chips and PIT; the PIT stops.
 * @kvm: the VM.
 * @said: where to.
 *
 * Process context. Takes kvm->lock, under which they are made, the PIT's lock, and those of the
 * chips, which have their lines.
 */
void kvm_record_arch_chips(struct kvm *kvm, struct kvm_move_chips *said)
{
	struct kvm_ioapic *ioapic;
	struct kvm_pic *pic;

	mutex_lock(&kvm->lock);
	ioapic = kvm->arch.vioapic;
	pic = kvm->arch.vpic;
	if (kvm->arch.vpit)
		stop_pit(kvm->arch.vpit, said);
	if (ioapic) {
		spin_lock(&ioapic->lock);
		said->ioapic = lines_held(ioapic->irq_states, IOAPIC_NUM_PINS);
		spin_unlock(&ioapic->lock);
	}
	if (pic) {
		spin_lock(&pic->lock);
		said->pic = lines_held(pic->irq_states, PIC_NUM_PINS);
		spin_unlock(&pic->lock);
	}
	mutex_unlock(&kvm->lock);
}

/**
 * kvm_record_arch_set_chips() - The same of a new VM, or of one that goes on.
 * @kvm: the VM.
 * @said: what kvm_record_arch_chips() said, or whatever its process likes: it changes the
 *	interrupts of its own guest, and no more than it could by KVM_IRQ_LINE and KVM_SET_PIT2.
 *
 * As kvm_record_arch_chips(). What the lines have raised is in the chips, by KVM_SET_IRQCHIP.
 */
void kvm_record_arch_set_chips(struct kvm *kvm, const struct kvm_move_chips *said)
{
	struct kvm_ioapic *ioapic;
	struct kvm_pic *pic;

	mutex_lock(&kvm->lock);
	ioapic = kvm->arch.vioapic;
	pic = kvm->arch.vpic;
	if (ioapic) {
		spin_lock(&ioapic->lock);
		hold_lines(ioapic->irq_states, IOAPIC_NUM_PINS, said->ioapic);
		keep_edges(ioapic, said->ioapic);
		spin_unlock(&ioapic->lock);
	}
	if (pic) {
		spin_lock(&pic->lock);
		hold_lines(pic->irq_states, PIC_NUM_PINS, said->pic);
		spin_unlock(&pic->lock);
	}
	if (kvm->arch.vpit)
		start_pit(kvm->arch.vpit, said);
	mutex_unlock(&kvm->lock);
}
