// SPDX-License-Identifier: GPL-2.0-only
/*
 * vac-probe.c - calls vac as instances would if the emulated CPU had TSC scaling.
 *
 * On load it sets the TSC ratio of the CPU it runs on as two instances with guests of different
 * rates would, one after the other: once, the same again, the other's, the first again, and 1.0;
 * with leave=1 the first only, and it stays set.
 */
#include <linux/module.h>
#include <linux/preempt.h>
#include <vac.h>

static bool leave;
module_param(leave, bool, 0444);

static int __init probe_init(void)
{
	static const u64 ratios[] __initconst = {
		0x080000000, 0x080000000, 0x0c0000000, 0x080000000, 0x100000000,
	};
	int i;

	preempt_disable();
	for (i = 0; i < (leave ? 1 : ARRAY_SIZE(ratios)); i++)
		vac_svm_tsc_ratio_set(ratios[i]);
	preempt_enable();
	return 0;
}

static void __exit probe_exit(void)
{
}

module_init(probe_init);
module_exit(probe_exit);

MODULE_IMPORT_NS(VAC);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that calls vac as instances would");
