// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold-preempt-notifiers.c - keeps the static key of preempt notifiers on while it is loaded.
 *
 * KVM, stock or not, turns the key on with its first VM and off with its last, which patches
 * finish_task_switch() while every CPU runs it. Now and then the emulator goes on executing the
 * temporary breakpoint for ever, and the CPU is lost. With the key held there is nothing to patch.
 * tests/vm/lib/mod.c loads it on the AMD machine.
 */
#include <linux/module.h>
#include <linux/preempt.h>

static int __init hold_init(void)
{
	preempt_notifier_inc();
	return 0;
}

static void __exit hold_exit(void)
{
	preempt_notifier_dec();
}

module_init(hold_init);
module_exit(hold_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Holds the static key of preempt notifiers for tests in an emulator");
