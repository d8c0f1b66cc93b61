// SPDX-License-Identifier: GPL-2.0-only
static bool __read_mostly enable_vnmi = 1;
extern bool * const kvm_fold_vmx_vnmi;
bool * const kvm_fold_vmx_vnmi = &enable_vnmi;
/* Near miss: another parameter. */
module_param_named(vpid, enable_vpid, bool, 0444);
