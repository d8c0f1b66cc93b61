// SPDX-License-Identifier: GPL-2.0-only
static bool nested = true;
#include "fold.h"
bool * const kvm_fold_vmx_nested = &nested;
module_param(nested, bool, 0644);
module_param(other, bool, 0444);

static void vmx_exit(void)
{
	stop();
}
#include "fold.h"
void __exit kvm_fold_vmx_exit(void) { vmx_exit(); }

static int __init vmx_init(void)
{
	return start(nested);
}
#include "fold.h"
int __init kvm_fold_vmx_init(void) { return vmx_init(); }
