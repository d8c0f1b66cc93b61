// SPDX-License-Identifier: GPL-2.0-only
/*
 * pose-as-measured.c - while it is loaded the kernel offers VMX though IA32_FEAT_CTL does not
 * enable it outside SMX, as it does where tboot has started it.
 */
#include <linux/bitops.h>
#include <linux/module.h>
#include <asm/cpufeature.h>

static int __init pose_init(void)
{
	if (boot_cpu_has(X86_FEATURE_VMX))
		return -EEXIST;
	set_cpu_cap(&boot_cpu_data, X86_FEATURE_VMX);
	return 0;
}

static void __exit pose_exit(void)
{
	/* clear_cpu_cap() is not for modules. */
	clear_bit(X86_FEATURE_VMX, (unsigned long *)boot_cpu_data.x86_capability);
}

module_init(pose_init);
module_exit(pose_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that makes the kernel believe in tboot");
