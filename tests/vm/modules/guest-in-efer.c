// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest-in-efer.c - leaves a guest's EFER in the MSR, as an instance may, and shows what vac then
 * gives as the host's.
 *
 * While it is loaded it has a VM, so virtualization is on. Its debugfs file "guest-in-efer" is one
 * line for the CPU on which it is read: what the MSR holds with no guest there, what it holds with
 * one, and the host's value that vac gives meanwhile. The guest's has no SCE, a bit that stays in
 * the MSR on Intel until the return to user space; the host's is back before the CPU goes there.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <asm/msr.h>

#include "instance.h"

static struct vac_instance *inst;
static struct dentry *file;
static int slot;

/* The task may move to another CPU between two reads: both CPUs have the same values. */
static int guest_in_efer_show(struct seq_file *m, void *unused)
{
	u64 before, guest, host = 0;
	int r;

	preempt_disable();
	rdmsrl(MSR_EFER, before);
	r = vac_uret_set(slot, 0, EFER_SCE);
	rdmsrl(MSR_EFER, guest);
	preempt_enable();
	if (!r)
		r = vac_uret_host(MSR_EFER, &host);
	seq_printf(m, "before=%#llx guest=%#llx host=%#llx error=%d\n", before, guest, host, r);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(guest_in_efer);

static int __init guest_init(void)
{
	const struct vac_instance_desc desc = {
		INSTANCE("guest"),
	};
	int r;

	inst = vac_instance_register(&desc);
	if (IS_ERR(inst))
		return PTR_ERR(inst);
	slot = vac_uret_add(MSR_EFER);
	r = slot < 0 ? slot : vac_virt_get(inst);
	if (r) {
		vac_instance_unregister(inst);
		return r;
	}
	file = debugfs_create_file("guest-in-efer", 0400, NULL, NULL, &guest_in_efer_fops);
	return 0;
}

static void __exit guest_exit(void)
{
	debugfs_remove(file);
	vac_virt_put(inst);
	vac_instance_unregister(inst);
}

module_init(guest_init);
module_exit(guest_exit);
MODULE_IMPORT_NS(VAC);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's instance that leaves a guest's EFER in the CPU");
