// SPDX-License-Identifier: GPL-2.0-only
/*
 * control-registers.c - shows CR4 of each CPU that is online in debugfs, "cpu=0 cr4=0x..." a line.
 *
 * VMX is switched on there, where no MSR shows it to user space.
 */
#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <asm/special_insns.h>

static struct dentry *file;

static void read_cr4(void *value)
{
	*(unsigned long *)value = __read_cr4();
}

static int control_registers_show(struct seq_file *m, void *unused)
{
	unsigned long cr4;
	int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		if (!smp_call_function_single(cpu, read_cr4, &cr4, true))
			seq_printf(m, "cpu=%d cr4=0x%lx\n", cpu, cr4);
	}
	cpus_read_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(control_registers);

static int __init control_registers_init(void)
{
	file = debugfs_create_file("control-registers", 0400, NULL, NULL,
				   &control_registers_fops);
	return PTR_ERR_OR_ZERO(file);
}

static void __exit control_registers_exit(void)
{
	debugfs_remove(file);
}

module_init(control_registers_init);
module_exit(control_registers_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that shows control registers");
