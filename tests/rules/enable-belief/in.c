// SPDX-License-Identifier: GPL-2.0-only
__visible bool kvm_rebooting;
static DEFINE_PER_CPU(bool, virtualization_enabled);
/* Near miss: another belief. */
static DEFINE_PER_CPU(bool, other_enabled);
static int kvm_usage_count;
