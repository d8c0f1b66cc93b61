/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - what is recorded of a VM, see record.c. kvm_host.h includes it before struct kvm.
 */
#ifndef KVM_RECORD_H
#define KVM_RECORD_H

#include <linux/mutex.h>
#include <linux/types.h>

struct file;
struct kvm;
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
 * struct kvm_record_out - a record that is being written.
 * @buffer: where to; of @size bytes.
 * @used: bytes that the items take, also of those that did not fit.
 */
struct kvm_record_out {
	u8 *buffer;
	size_t size;
	size_t used;
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
void kvm_record_arch(struct kvm *kvm, struct kvm_record_out *out);
u32 kvm_record_arch_busy(struct kvm_vcpu *vcpu);

/* Of kvm_main.c */
long kvm_vm_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg);

#endif /* KVM_RECORD_H */
