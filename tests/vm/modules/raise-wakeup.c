// SPDX-License-Identifier: GPL-2.0-only
/*
 * raise-wakeup.c - raises the posted-interrupt wakeup vector on the CPU whose number is written to
 * the parameter "on", as the hardware would when it has posted an interrupt for a blocked vCPU.
 */
#include <linux/cpu.h>
#include <linux/module.h>
#include <asm/apic.h>
#include <asm/irq_vectors.h>

static int raise(const char *value, const struct kernel_param *param)
{
	unsigned int cpu;
	int r = kstrtouint(value, 0, &cpu);

	if (r)
		return r;
	cpus_read_lock();
	if (cpu < nr_cpu_ids && cpu_online(cpu))
		apic->send_IPI(cpu, POSTED_INTR_WAKEUP_VECTOR);
	else
		r = -ENODEV;
	cpus_read_unlock();
	return r;
}

static const struct kernel_param_ops raise_ops = { .set = raise };
module_param_cb(on, &raise_ops, NULL, 0200);

static int __init raise_init(void)
{
	return 0;
}

static void __exit raise_exit(void)
{
}

module_init(raise_init);
module_exit(raise_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that raises the posted-interrupt wakeup vector");
