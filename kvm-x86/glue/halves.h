/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * halves.h - what the kernel counts on KVM for, and this KVM does not do.
 */
#ifndef KVM_HALVES_H
#define KVM_HALVES_H

int kvm_halves_check(void);
extern char kvm_unmitigated[];

#endif /* KVM_HALVES_H */
