/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - what is recorded of a VM, see record.c. kvm_host.h includes it before struct kvm.
 */
#ifndef KVM_RECORD_H
#define KVM_RECORD_H

#include <linux/mutex.h>
#include <linux/types.h>

struct eventfd_ctx;
struct file;
struct kvm;
struct kvm_move_chips;
struct kvm_move_vcpu;
struct kvm_recorded;
struct kvm_vcpu;

/**
 * struct kvm_record - what a VMM has set of a VM and no ioctl gives back.
 * @lock: protects @first; taken inside vcpu->mutex, nothing is taken inside it.
 * @first: in the order in which they were made.
 * @type: of the VM, as KVM_CREATE_VM had it.
 */
struct kvm_record {
	struct mutex lock; /* a leaf */
	struct kvm_recorded *first;
	unsigned long type;
};

/**
 * struct kvm_record_eventfd - a place for the number that the process has for an eventfd.
 * @at: where in the buffer.
 * @context: whose number; compared, never followed.
 */
struct kvm_record_eventfd {
	size_t at;
	const struct eventfd_ctx *context;
};

/**
 * struct kvm_record_out - a record that is being written.
 * @buffer: where to; of @size bytes.
 * @used: bytes that the items take, also of those that did not fit.
 * @eventfds: places for numbers.
 * @n_eventfds: how many there are.
 * @max_eventfds: how many can be there.
 * @more_eventfds: there were more.
 */
struct kvm_record_out {
	u8 *buffer;
	size_t size;
	size_t used;
	struct kvm_record_eventfd *eventfds;
	unsigned int n_eventfds;
	unsigned int max_eventfds;
	bool more_eventfds;
};

/* Of all architectures */
void kvm_record_init(struct kvm *kvm, unsigned long type);
void kvm_record_free(struct kvm *kvm);
long kvm_record_vm_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg);
long kvm_record_vcpu_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg);
void *kvm_record_put(struct kvm_record_out *out, u32 request, u32 vcpu, size_t size);
void kvm_record_refused(struct kvm_record_out *out, u32 request, const char *name);

/* Where the structures are: in eventfd.c, and of an architecture */
void kvm_record_eventfds(struct kvm *kvm, struct kvm_record_out *out);
void kvm_record_eventfd(struct kvm_record_out *out, void *number,
			const struct eventfd_ctx *context);
void kvm_record_resample(struct kvm *kvm);
void kvm_record_arch(struct kvm *kvm, struct kvm_record_out *out);
void kvm_record_arch_chips(struct kvm *kvm, struct kvm_move_chips *said);
void kvm_record_arch_set_chips(struct kvm *kvm, const struct kvm_move_chips *said);
void kvm_record_arch_vcpu(struct kvm_vcpu *vcpu, struct kvm_move_vcpu *said);
void kvm_record_arch_set_vcpu(struct kvm_vcpu *vcpu, const struct kvm_move_vcpu *said);

/* Of kvm_main.c */
long kvm_vm_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg);

#endif /* KVM_RECORD_H */
