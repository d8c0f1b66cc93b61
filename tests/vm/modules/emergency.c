// SPDX-License-Identifier: GPL-2.0-only
/*
 * emergency.c - runs on each CPU what the kernel runs there on a crash, a kexec after a panic and
 * an emergency reboot: cpu_emergency_disable_virtualization(). The function is not exported; a
 * kprobe that is removed at once tells its address.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/smp.h>

static void call(void *function)
{
	((void (*)(void))function)();
}

static int __init emergency_init(void)
{
	struct kprobe probe = { .symbol_name = "cpu_emergency_disable_virtualization" };
	void *function;
	int r;

	r = register_kprobe(&probe);
	if (r)
		return r;
	function = probe.addr;
	unregister_kprobe(&probe);
	on_each_cpu(call, function, 1);
	return 0;
}

static void __exit emergency_exit(void)
{
}

module_init(emergency_init);
module_exit(emergency_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that runs the kernel's emergency path");
