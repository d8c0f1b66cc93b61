// SPDX-License-Identifier: GPL-2.0-only
int kvm_add_user_return_msr(u32 msr);
int kvm_find_user_return_msr(u32 msr);
int kvm_set_user_return_msr(unsigned index, u64 val, u64 mask);

/* Near miss: another function. */
int kvm_set_other_msr(unsigned index, u64 val, u64 mask);
