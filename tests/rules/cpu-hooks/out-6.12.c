// SPDX-License-Identifier: GPL-2.0-only
void kvm_arch_enable_virtualization(void);
void kvm_arch_disable_virtualization(void);
int kvm_arch_enable_virtualization_cpu(void);
#define kvm_fold_cpu_enable kvm_arch_enable_virtualization_cpu
void kvm_arch_disable_virtualization_cpu(void);
#define kvm_fold_cpu_disable kvm_arch_disable_virtualization_cpu
