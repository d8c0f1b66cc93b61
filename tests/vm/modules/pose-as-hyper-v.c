// SPDX-License-Identifier: GPL-2.0-only
/*
 * pose-as-hyper-v.c - while it is loaded the kernel believes that it runs on Hyper-V.
 */
#include <linux/module.h>
#include <asm/hypervisor.h>

static enum x86_hypervisor_type before;

static int __init pose_init(void)
{
	before = x86_hyper_type;
	x86_hyper_type = X86_HYPER_MS_HYPERV;
	return 0;
}

static void __exit pose_exit(void)
{
	x86_hyper_type = before;
}

module_init(pose_init);
module_exit(pose_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that makes the kernel believe in Hyper-V");
