// SPDX-License-Identifier: GPL-2.0-only
int kvm_arch_hardware_enable(void);
#define kvm_fold_cpu_enable kvm_arch_hardware_enable
void kvm_arch_hardware_disable(void);
#define kvm_fold_cpu_disable kvm_arch_hardware_disable
/* Near misses: for the machine, not for a CPU. */
int kvm_arch_hardware_setup(void);
void kvm_arch_disable_virtualization(void);
