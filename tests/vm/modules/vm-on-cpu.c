// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm-on-cpu.c - asks vac on each CPU, from a timer's interrupt, whose VM was there last.
 *
 * Parameters to read: how often it asked; how often there was a VM; how many CPUs had one when last
 * asked (here); the numbers of VM and instance last seen on CPU 0 (pair); and, with the numbers of
 * the instances of VMs with odd and with even numbers written to "odd" and "even", how often a VM
 * and its instance did not match (wrong).
 */
#include <linux/cpu.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <vac.h>

static unsigned long asked, found, wrong;
module_param(asked, ulong, 0444);
module_param(found, ulong, 0444);
module_param(wrong, ulong, 0444);

static DEFINE_PER_CPU(struct hrtimer, timer);
static DEFINE_PER_CPU(bool, is_here);

static unsigned int odd, even;
module_param(odd, uint, 0644);
module_param(even, uint, 0644);

static u64 pair;	/* instance << 32 | VM, each far below 2^32 here */

static int pair_get(char *buffer, const struct kernel_param *param)
{
	u64 both = READ_ONCE(pair);

	return sysfs_emit(buffer, "%llu:%llu\n", both & U32_MAX, both >> 32);
}

static const struct kernel_param_ops pair_ops = { .get = pair_get };
module_param_cb(pair, &pair_ops, NULL, 0444);

static int here_get(char *buffer, const struct kernel_param *param)
{
	int cpu, n = 0;

	for_each_online_cpu(cpu)
		n += per_cpu(is_here, cpu);
	return sysfs_emit(buffer, "%d\n", n);
}

static const struct kernel_param_ops here_ops = { .get = here_get };
module_param_cb(here, &here_ops, NULL, 0444);

static enum hrtimer_restart tick(struct hrtimer *t)
{
	u32 instance = 0;
	u64 vm = 0;
	bool is = vac_vm_on_cpu(smp_processor_id(), &vm, &instance);

	asked++;
	found += is;
	if (odd && even)
		wrong += is && instance != (vm % 2 ? odd : even);
	this_cpu_write(is_here, is);
	if (is && !smp_processor_id())
		WRITE_ONCE(pair, (u64)instance << 32 | vm);
	hrtimer_forward_now(t, ns_to_ktime(200 * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static void start(void *unused)
{
	struct hrtimer *t = this_cpu_ptr(&timer);

	hrtimer_init(t, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	t->function = tick;
	hrtimer_start(t, ns_to_ktime(NSEC_PER_MSEC), HRTIMER_MODE_REL_PINNED_HARD);
}

static int __init probe_init(void)
{
	on_each_cpu(start, NULL, 1);
	return 0;
}
module_init(probe_init);

static void __exit probe_exit(void)
{
	int cpu;

	for_each_online_cpu(cpu)
		hrtimer_cancel(per_cpu_ptr(&timer, cpu));
}
module_exit(probe_exit);

MODULE_IMPORT_NS(VAC);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that asks which VM was on a CPU");
