/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * eventfds.h - the eventfds in the record of a VM (record.c). A part of eventfd.c, whose structures
 * nobody else sees.
 */
#include "kvm_move.h"

/**
 * kvm_record_eventfds() - ioeventfds and irqfds as items.
 * @kvm: the VM.
 * @out: the record. Their numbers are -1 for now, and the addresses by which record.c finds the
 *	numbers are in the padding; it takes them out again.
 *
 * Process context, no locks.
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
		if (one->bus_idx != KVM_MMIO_BUS && one->bus_idx != KVM_PIO_BUS) {
			if (one->bus_idx != KVM_FAST_MMIO_BUS)
				kvm_record_refused(out, KVM_IOEVENTFD,
						   "an ioeventfd of another kind");
			continue;
		}
		to = kvm_record_put(out, KVM_IOEVENTFD, KVM_MOVE_VM, sizeof(*to));
		if (!to)
			continue;
		to->addr = one->addr;
		to->len = one->length;
		to->fd = -1;
		to->datamatch = one->wildcard ? 0 : one->datamatch;
		to->flags = (one->wildcard ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH) |
			    (one->bus_idx == KVM_PIO_BUS ? KVM_IOEVENTFD_FLAG_PIO : 0);
		memcpy(to->pad, &one->eventfd, sizeof(one->eventfd));
	}
	mutex_unlock(&kvm->slots_lock);

	spin_lock_irq(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.items, list) {
		irq = kvm_record_put(out, KVM_IRQFD, KVM_MOVE_VM, sizeof(*irq));
		if (!irq)
			continue;
		irq->fd = -1;
		irq->gsi = irqfd->gsi;
		memcpy(irq->pad, &irqfd->eventfd, sizeof(irqfd->eventfd));
		if (!irqfd->resampler)
			continue;
		irq->flags = KVM_IRQFD_FLAG_RESAMPLE;
		irq->resamplefd = -1;
		memcpy(irq->pad + sizeof(irqfd->eventfd), &irqfd->resamplefd,
		       sizeof(irqfd->resamplefd));
	}
	spin_unlock_irq(&kvm->irqfds.lock);
}
