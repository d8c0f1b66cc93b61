// SPDX-License-Identifier: GPL-2.0-only
int kvm_arch_hardware_enable(void);
void kvm_arch_hardware_disable(void);
/* Near misses: for the machine, not for a CPU. */
int kvm_arch_hardware_setup(void);
void kvm_arch_disable_virtualization(void);
