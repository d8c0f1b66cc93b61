/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * eventfds.h - the eventfds in the record of a VM (record.c). A part of eventfd.c, whose structures
 * nobody else sees.
 */
#include "kvm_move.h"

/**
 * kvm_record_eventfds() - ioeventfds and irqfds as items.
 * @kvm: the VM.
 * @out: the record. Each place for an eventfd's number is -1 for now and noted there. Ends early
 *	when there are more than @out has room for.
 *
 * Process context, no locks. @out's bound is also that of the time with interrupts off.
 */
void kvm_record_eventfds(struct kvm *kvm, struct kvm_record_out *out)
{
	struct kvm_kernel_irqfd *irqfd;
	struct kvm_ioeventfd *to;
	struct _ioeventfd *one;
	struct kvm_irqfd *irq;

	mutex_lock(&kvm->slots_lock);
	list_for_each_entry(one, &kvm->ioeventfds, list) {
		/* An MMIO ioeventfd without a length has a second entry, on a bus of its own. */
		if (one->bus_idx == KVM_FAST_MMIO_BUS)
			continue;
		if (one->bus_idx != KVM_MMIO_BUS && one->bus_idx != KVM_PIO_BUS) {
			kvm_record_refused(out, KVM_IOEVENTFD, "an ioeventfd of another kind");
			break;
		}
		to = kvm_record_put(out, KVM_IOEVENTFD, KVM_MOVE_VM, sizeof(*to));
		if (to) {
			to->addr = one->addr;
			to->len = one->length;
			to->datamatch = one->wildcard ? 0 : one->datamatch;
			to->flags = (one->wildcard ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH) |
				    (one->bus_idx == KVM_PIO_BUS ? KVM_IOEVENTFD_FLAG_PIO : 0);
		}
		kvm_record_eventfd(out, to ? &to->fd : NULL, one->eventfd);
		if (out->more_eventfds)
			break;
	}
	mutex_unlock(&kvm->slots_lock);

	spin_lock_irq(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.items, list) {
		if (out->more_eventfds)
			break;
		irq = kvm_record_put(out, KVM_IRQFD, KVM_MOVE_VM, sizeof(*irq));
		if (irq)
			irq->gsi = irqfd->gsi;
		kvm_record_eventfd(out, irq ? &irq->fd : NULL, irqfd->eventfd);
		if (!irqfd->resampler)
			continue;
		if (irq)
			irq->flags = KVM_IRQFD_FLAG_RESAMPLE;
		kvm_record_eventfd(out, irq ? &irq->resamplefd : NULL, irqfd->resamplefd);
	}
	spin_unlock_irq(&kvm->irqfds.lock);
}

/**
 * kvm_record_resample() - Acknowledge the interrupts of all irqfds that resample.
 * @kvm: the VM.
 *
 * As when the guest ends such an interrupt: its line goes low, and who made the irqfd is told by
 * its second eventfd.
 *
 * Process context. Takes kvm->irqfds.resampler_lock, under which the list changes.
 */
void kvm_record_resample(struct kvm *kvm)
{
	struct kvm_kernel_irqfd_resampler *one;

	mutex_lock(&kvm->irqfds.resampler_lock);
	list_for_each_entry(one, &kvm->irqfds.resampler_list, link)
		one->notifier.irq_acked(&one->notifier);
	mutex_unlock(&kvm->irqfds.resampler_lock);
}
