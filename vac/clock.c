// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock.c - hazard 2, its second half: kvmclock's hotplug state exists once, too.
 *
 * Each instance keeps the TSC frequency of each CPU for its guests' kvmclock
 * and is told when a CPU comes or goes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/smp.h>

#include "internal.h"

/* On the CPU's hotplug thread, under cpus_write_lock(): no writer runs. */
static int clock_online(unsigned int cpu)
{
	struct vac_instance *inst;

	list_for_each_entry_rcu(inst, &vac.instances, link, true)
		if (inst->clock.online)
			inst->clock.online(cpu);
	return 0;
}

static int clock_offline(unsigned int cpu)
{
	struct vac_instance *inst;

	list_for_each_entry_rcu(inst, &vac.instances, link, true)
		if (inst->clock.offline)
			inst->clock.offline(cpu);
	return 0;
}

static void clock_online_ipi(void *data)
{
	struct vac_instance *inst = data;

	inst->clock.online(smp_processor_id());
}

/**
 * vac_clock_register() - Tell an instance of CPUs that come and go.
 * @inst: the instance.
 * @ops: how; copied. Its online() is called now, once on each CPU that is there.
 *
 * Context: process context; takes cpus_read_lock().
 * Return: 0, or -EINVAL where @ops is shorter than it was in 1.0. No vac may fail otherwise:
 * instances ignore the result.
 */
int vac_clock_register(struct vac_instance *inst, const struct vac_clock_ops *ops)
{
	if (WARN_ON_ONCE(!vac_is_whole(ops, offline) || !ops->online || !ops->offline))
		return -EINVAL;
	cpus_read_lock();
	vac_copy_sized(&inst->clock, ops);
	/*
	 * By IPI, while the stock KVM does this on the hotplug thread: on a CPU without constant
	 * TSC, online() asks cpufreq, which takes an rwlock_t. That would sleep on PREEMPT_RT,
	 * where KVM refuses such a CPU.
	 */
	on_each_cpu(clock_online_ipi, inst, 1);
	cpus_read_unlock();
	return 0;
}
VAC_EXPORT(vac_clock_register);

/**
 * vac_clock_unregister() - The reverse.
 * @inst: the instance.
 *
 * Context: process context; takes cpus_read_lock(), so no call is under way.
 */
void vac_clock_unregister(struct vac_instance *inst)
{
	cpus_read_lock();
	inst->clock.online = NULL;
	inst->clock.offline = NULL;
	cpus_read_unlock();
}
VAC_EXPORT(vac_clock_unregister);

int __init vac_clock_init(void)
{
	int r = cpuhp_setup_state_nocalls(CPUHP_AP_X86_KVM_CLK_ONLINE, "vac/clk:online",
					  clock_online, clock_offline);

	if (r)
		pr_err("cannot take the kvmclock hotplug state: %d; is another KVM loaded?\n", r);
	return r;
}

void vac_clock_exit(void)
{
	cpuhp_remove_state_nocalls(CPUHP_AP_X86_KVM_CLK_ONLINE);
}
