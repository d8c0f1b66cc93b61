// SPDX-License-Identifier: GPL-2.0-only
void kvm_arch_enable_virtualization(void);
void kvm_arch_disable_virtualization(void);
int kvm_arch_enable_virtualization_cpu(void);
void kvm_arch_disable_virtualization_cpu(void);
