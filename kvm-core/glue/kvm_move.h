/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_move.h - what a mover of VMs asks of an instance; the kernel and user space include it.
 *
 * Most of a VM's state can be read by ioctls of KVM and set in another instance. The rest is what
 * its VMM has set and no ioctl of KVM gives back. The instance keeps that as a record of ioctls,
 * each with its payload, that make a new VM the same. kvm-core/vmm-state and kvm-x86/vmm-state
 * say of each ioctl and capability which of the two it is, or why a VM that used it is not moved.
 *
 * The ioctls are for the process that owns the VM, as KVM's own are, and need no privilege: they
 * tell it what it has set itself.
 */
#ifndef KVM_MOVE_H
#define KVM_MOVE_H

#include <linux/const.h>
#include <linux/ioctl.h>
#include <linux/kvm.h>
#include <linux/types.h>

/* Raised when a mover that knows the older one would get something wrong. */
#define KVM_MOVE_VERSION	1

/**
 * struct kvm_move_record - where the record of a VM goes.
 * @version: in: KVM_MOVE_VERSION of the caller. Another than the instance's is refused (EPROTO);
 *	then the instance's is here.
 * @flags: 0.
 * @buffer: address of the buffer for the items.
 * @size: in: its size in bytes; out: the size of the record. If that is more than there was,
 *	nothing was written and the call fails (E2BIG).
 */
struct kvm_move_record {
	__u32 version;
	__u32 flags;
	__u64 buffer;
	__u64 size;
};

/* The item is of the VM, not of a vCPU. */
#define KVM_MOVE_VM		(~0U)

enum kvm_move_kind {
	KVM_MOVE_ARGUMENT,	/* the ioctl takes a value: @argument */
	KVM_MOVE_PAYLOAD,	/* it takes the address of the payload */
	KVM_MOVE_REFUSED,	/* what the VMM used and cannot be moved; the payload is its name */
};

/**
 * struct kvm_move_item - one ioctl that makes a new VM as this one is. Items follow one another,
 * each at a multiple of 8 bytes from the start of the buffer, in the order in which they are to be
 * done: those of the VM first.
 * @request: the ioctl's number.
 * @vcpu: the vCPU's id, or KVM_MOVE_VM.
 * @kind: enum kvm_move_kind.
 * @size: bytes of the payload, which follows. Addresses in it are offsets from its start; there
 *	are such in KVM_X86_SET_MSR_FILTER only.
 * @argument: for KVM_MOVE_ARGUMENT.
 *
 * File descriptors in payloads (KVM_IRQFD, KVM_IOEVENTFD) are the calling process's; -1: it has
 * closed that eventfd. KVM_IRQFD has no KVM_IRQFD_FLAG_DEASSIGN.
 */
struct kvm_move_item {
	__u32 request;
	__u32 vcpu;
	__u32 kind;
	__u32 size;
	__u64 argument;
};

/* On the VM's file. EINTR: a signal; try again. */
#define KVM_MOVE_RECORD		_IOWR(KVMIO, 0xf0, struct kvm_move_record)

/* What of a vCPU is half done, so that what the ioctls of KVM read of it is not all. */
#define KVM_MOVE_IO		_BITUL(0)	/* an exit whose result KVM_RUN has yet to take */
#define KVM_MOVE_REQUEST	_BITUL(1)	/* a request served when it enters the guest */
#define KVM_MOVE_L2		_BITUL(2)	/* it is in a guest of the guest */
#define KVM_MOVE_DEBUG		_BITUL(3)	/* KVM_SET_GUEST_DEBUG is on */

/**
 * struct kvm_move_vcpu - what KVM knows of a vCPU and none of its ioctls tells.
 * @version: as in struct kvm_move_record.
 * @busy: bits as above; 0: it can be moved as it is.
 * @steal: how much of its thread's delay the guest was told of, in ns. The thread stays the same,
 *	so a vCPU that began at 0 would tell it once more.
 * @ticks: of the local APIC's timer that have yet to be injected, unless it has a deadline: that
 *	fires again when it is set.
 * @count: initial count of a one-shot timer that has fired. KVM_SET_LAPIC would start it anew: it
 *	is to be given 0 as the initial count then.
 * @unhalted: another vCPU has kicked it out of a halt that it may be about to enter.
 */
struct kvm_move_vcpu {
	__u32 version;
	__u32 busy;
	__u64 steal;
	__u32 ticks;
	__u32 count;
	__u32 unhalted;
	__u32 unused;
};

/* On a vCPU's file, which must not be in KVM_RUN: the call waits for that. */
#define KVM_MOVE_VCPU		_IOWR(KVMIO, 0xf1, struct kvm_move_vcpu)

/* On the new vCPU's, as KVM_MOVE_VCPU gave it; after KVM_SET_LAPIC, before KVM_RUN. */
#define KVM_MOVE_SET_VCPU	_IOWR(KVMIO, 0xf2, struct kvm_move_vcpu)

/* In struct kvm_move_chips: KVM_MOVE_CHIPS wrote it. */
#define KVM_MOVE_CHIPS_READ	_BITUL(0)

/**
 * struct kvm_move_chips - what KVM knows of a VM's interrupt chips and its PIT and no ioctl of it
 * tells.
 * @version: as in struct kvm_move_record.
 * @flags: KVM_MOVE_CHIPS_READ, or 0: then KVM_MOVE_SET_CHIPS only asks the devices.
 * @ioapic: pins of the IOAPIC that the VMM holds by KVM_IRQ_LINE, a bit each. Others may hold them
 *	as well, and a pin is low only when nobody does.
 * @pic: the same of the PICs.
 * @pit_ticks: of the PIT that have yet to be injected, if its ticks are made up for.
 * @pit_next: ns until its next one; 0: there is none.
 * @pit_waits: the guest has not yet acknowledged the last one.
 * @pit_at: when this was so, CLOCK_MONOTONIC in ns. Ticks that were due since then are made up
 *	for, those of 10 seconds at most.
 * @pit_loaded: when channels 1 and 2 of the PIT began to count, in the same way.
 */
struct kvm_move_chips {
	__u32 version;
	__u32 flags;
	__u32 ioapic;
	__u32 pic;
	__u64 pit_next;
	__u32 pit_ticks;
	__u32 pit_waits;
	__u64 pit_at;
	__u64 pit_loaded[2];
};

/*
 * On the VM's file, before KVM_GET_IRQCHIP: the PIT stops, and what it has injected is in the chips
 * then. If the VM goes on after all it needs KVM_MOVE_SET_CHIPS.
 */
#define KVM_MOVE_CHIPS		_IOWR(KVMIO, 0xf3, struct kvm_move_chips)

/*
 * On the new VM's, after KVM_SET_IRQCHIP, KVM_SET_PIT2 and KVM_IRQFD. Devices whose interrupt is
 * level-triggered (KVM_IRQFD_FLAG_RESAMPLE) are told that it was acknowledged: those that still
 * want one ask for it again, as none of theirs is in the chips once their irqfd was taken off.
 */
#define KVM_MOVE_SET_CHIPS	_IOWR(KVMIO, 0xf4, struct kvm_move_chips)

#endif /* KVM_MOVE_H */
