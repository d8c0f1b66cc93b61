// SPDX-License-Identifier: GPL-2.0-only
/*
 * going-down.c - the first steps of a restart, in a kernel that goes on afterwards: while it is
 * loaded system_state says that the machine restarts, and each write to the parameter "hooks" runs
 * the shutdown hooks of syscore, as kernel_restart() does next.
 *
 * syscore_shutdown() is not exported; a kprobe that is removed at once tells its address.
 */
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static void (*run_hooks)(void);

static int hooks_set(const char *value, const struct kernel_param *param)
{
	if (!run_hooks)
		return -EINVAL;	/* not as the module is loaded */
	run_hooks();
	return 0;
}

static const struct kernel_param_ops hooks_ops = { .set = hooks_set };
module_param_cb(hooks, &hooks_ops, NULL, 0200);

static int __init going_down_init(void)
{
	struct kprobe probe = { .symbol_name = "syscore_shutdown" };
	int r;

	r = register_kprobe(&probe);
	if (r)
		return r;
	run_hooks = (void (*)(void))probe.addr;
	unregister_kprobe(&probe);
	system_state = SYSTEM_RESTART;
	return 0;
}

static void __exit going_down_exit(void)
{
	system_state = SYSTEM_RUNNING;
}

module_init(going_down_init);
module_exit(going_down_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that tells the kernel that it restarts");
