/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fold.h - what two vendors in one module share: init and exit, and parameters of one name.
 */
#ifndef KVM_FOLD_H
#define KVM_FOLD_H

#include <linux/moduleparam.h>

/* What the rule "fold" leaves of the three modules' init and exit, and of "nested". */
int kvm_fold_common_init(void);
void kvm_fold_common_exit(void);
int kvm_fold_svm_init(void);
void kvm_fold_svm_exit(void);
int kvm_fold_vmx_init(void);
void kvm_fold_vmx_exit(void);
extern int * const kvm_fold_svm_nested;
extern bool * const kvm_fold_vmx_nested;

/* A flag that both vendors have: it is set for both, and read for the one that runs. */
struct kvm_fold_flag {
	bool *svm;
	bool * const *vmx;
};

extern const struct kernel_param_ops kvm_fold_flag_ops;

#endif /* KVM_FOLD_H */
