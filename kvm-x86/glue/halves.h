/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * halves.h - mitigations for which the kernel relies on KVM and which this KVM lacks.
 */
#ifndef KVM_HALVES_H
#define KVM_HALVES_H

int kvm_halves_check(void);
extern char kvm_unmitigated[];

#endif /* KVM_HALVES_H */
