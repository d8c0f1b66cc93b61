// SPDX-License-Identifier: GPL-2.0-only
static int __init kvm_x86_init(void)
{
	return start();
}
#include "fold.h"
int __init kvm_fold_common_init(void) { return kvm_x86_init(); }

static void __exit kvm_x86_exit(void)
{
	stop();
}
#include "fold.h"
void __exit kvm_fold_common_exit(void) { kvm_x86_exit(); }

/* Near misses: another parameter, another kind of call. */
module_param(nested_too, int, S_IRUGO);
late_initcall(kvm_x86_init);
