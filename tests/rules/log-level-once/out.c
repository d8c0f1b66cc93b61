// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_host.h>

static void says(int n)
{
	printk_once(KERN_WARNING KBUILD_MODNAME ": " "kvm: segment base is not "
				 "paragraph aligned (seg=%d)\n", n);
	printk_once(KBUILD_MODNAME ": " "kvm pmu: pin control bit is ignored\n");
	printk_once(KERN_INFO KBUILD_MODNAME ": " "as a patch may add\n");
	printk(KERN_INFO "not this one\n");
	pr_warn_once("nor this\n");
}
