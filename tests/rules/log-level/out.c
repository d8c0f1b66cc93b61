// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_host.h>

/* Left out of the build, and in no count. */
#define pgprintk(x...) do { if (dbg) printk(x); } while (0)
#define rmap_printk(x...) printk("rmap: " x)

static void says(int n)
{
	printk(KERN_INFO KBUILD_MODNAME ": " "kvm: Nested Virtualization enabled\n");
	printk(KERN_WARNING KBUILD_MODNAME ": "
	       "wrong length %d\n", n);
	printk(KERN_ERR KBUILD_MODNAME ": " "%s: %d\n",
	       __func__, n);
	printk(KERN_NOTICE KBUILD_MODNAME ": " "as a patch may add\n");
	printk(KBUILD_MODNAME ": " "without a level: %d", n);
	printk(KERN_CONT ", %d\n", n);
	printk(KBUILD_MODNAME ": " "kvm: "
	       "in two parts\n");
	printk_once(KERN_WARNING KBUILD_MODNAME ": " "kvm: segment base is not "
				 "paragraph aligned (seg=%d)\n", n);
	printk_once(KBUILD_MODNAME ": " "kvm pmu: pin control bit is ignored\n");
	printk_once(KERN_INFO KBUILD_MODNAME ": " "as a patch may add\n");
	pr_err("kvm: has its prefix from pr_fmt()\n");
}
