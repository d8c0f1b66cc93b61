// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs.c - /sys/kernel/debug/vac: what the hardware of each CPU says beside
 * what vac believes. For people and tests; the format may change.
 */
#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <asm/msr.h>

#include "internal.h"

static struct dentry *dir;

static u64 read_msr_on(unsigned int cpu, u32 msr)
{
	u64 value;

	return rdmsrl_safe_on_cpu(cpu, msr, &value) ? 0 : value;
}

static const char *tag_of(u32 id)
{
	struct vac_instance *inst;

	list_for_each_entry(inst, &vac.instances, link)
		if (inst->id == id)
			return inst->desc.tag;
	return "-";
}

static int cpus_show(struct seq_file *m, void *unused)
{
	unsigned int cpu;

	mutex_lock(&vac.lock);	/* tags stay */
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		struct vac_cpu *c = per_cpu_ptr(&vac_cpu, cpu);

		seq_printf(m, "cpu=%u on=%d instance=%s vm=%llu vcpu=%llu same_instance=%llu other=%llu uret_registered=%d ",
			   cpu, c->on, tag_of(c->last_instance), c->vm, per_cpu(vac_last_vcpu, cpu),
			   c->count[VAC_LAST_INSTANCE], c->count[VAC_LAST_OTHER],
			   vac_uret_registered(cpu));
		vac.vendor->show(m, cpu);
		seq_putc(m, '\n');
	}
	cpus_read_unlock();
	mutex_unlock(&vac.lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpus);

static int uret_show(struct seq_file *m, void *unused)
{
	unsigned int cpu, slot, slots = vac_uret_slots();

	cpus_read_lock();
	for (slot = 0; slot < slots; slot++)
		for_each_online_cpu(cpu) {
			u64 host, current_value;
			u32 msr = vac_uret_read(slot, cpu, &host, &current_value);

			seq_printf(m, "slot=%u msr=%x cpu=%u host=%llx current=%llx hardware=%llx\n",
				   slot, msr, cpu, host, current_value, read_msr_on(cpu, msr));
		}
	cpus_read_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(uret);

static int vfio_show(struct seq_file *m, void *unused)
{
	vac_vfio_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vfio);

void __init vac_debugfs_init(void)
{
	dir = debugfs_create_dir("vac", NULL);
	debugfs_create_file("cpus", 0400, dir, NULL, &cpus_fops);
	debugfs_create_file("uret", 0400, dir, NULL, &uret_fops);
	debugfs_create_file("vfio", 0400, dir, NULL, &vfio_fops);
}

void vac_debugfs_exit(void)
{
	debugfs_remove_recursive(dir);
}
