// SPDX-License-Identifier: GPL-2.0-only
bool vnmi = true;
#include "fold.h"
extern bool * const kvm_fold_vmx_vnmi;
static const struct kvm_fold_flag kvm_fold_vnmi = { &vnmi, &kvm_fold_vmx_vnmi };
module_param_cb(vnmi, &kvm_fold_flag_ops, (void *)&kvm_fold_vnmi, 0444);
__MODULE_PARM_TYPE(vnmi, "bool");
/* Near miss: another parameter. */
module_param(vgif, bool, 0444);
