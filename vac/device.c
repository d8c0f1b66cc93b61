// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - /dev/kvm (10:232) and the instance it stands for.
 *
 * vac owns the minor as long as it is loaded, so that the node keeps the owner,
 * group and mode that udev gives it and stock KVM cannot take it back. An open
 * is handed to the default instance and vac is out of its way from then on:
 * the file has the instance's operations and pins the instance's module.
 *
 * Which one is the default is a person's to say, by writing a tag or "none" to
 * /sys/kernel/vac/default. The last word written holds as long as vac is
 * loaded: while that instance is away there is no default, when it is loaded
 * again it is the default again, and no other load changes anything. So a load
 * never undoes a rollback. Until somebody has written the first instance is
 * the default: the one whose device is added while no other has one, however
 * many are being loaded at that time.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/string.h>

#include "internal.h"

/*
 * Process context. misc_open() holds misc_mtx, which is outside vac.lock:
 * instances register their own misc device without holding vac.lock.
 */
static int device_open(struct inode *inode, struct file *file)
{
	const struct file_operations *fops = NULL;

	mutex_lock(&vac.lock);
	if (vac.default_instance)
		fops = fops_get(vac.default_instance->fops);
	mutex_unlock(&vac.lock);
	if (!fops) {
		pr_err_ratelimited("/dev/kvm opened by %s[%d], but no default instance is chosen: echo TAG > /sys/kernel/vac/default\n",
				   current->comm, task_pid_nr(current));
		return -ENODEV;
	}
	replace_fops(file, fops);
	return fops->open ? fops->open(inode, file) : 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &device_fops,
};

int __init vac_device_init(void)
{
	int r = misc_register(&device);

	if (r)
		pr_err("cannot register /dev/kvm (10:%d): %d; is another KVM loaded?\n",
		       KVM_MINOR, r);
	return r;
}

void vac_device_exit(void)
{
	misc_deregister(&device);
}

/* Another instance than this one has its device; under vac.lock. */
static bool others_there(const struct vac_instance *inst)
{
	const struct vac_instance *other;

	list_for_each_entry(other, &vac.instances, link)
		if (other != inst && other->fops)
			return true;
	return false;
}

/**
 * vac_device_add() - Let /dev/kvm go to an instance when it is the default.
 * @inst: the instance.
 * @fops: its operations; their owner is set.
 *
 * It becomes the default if its tag is what a person wrote last, or if nobody
 * has written yet and no other instance has a device.
 *
 * Context: process context; takes vac.lock.
 * Return: 0, or -EINVAL where @fops has no owner: a file must pin its module.
 */
int vac_device_add(struct vac_instance *inst, const struct file_operations *fops)
{
	if (WARN_ON_ONCE(!fops->owner))
		return -EINVAL;
	mutex_lock(&vac.lock);
	inst->fops = fops;
	if (*vac.chosen ? !strcmp(vac.chosen, inst->desc.tag) : !others_there(inst))
		vac.default_instance = inst;
	mutex_unlock(&vac.lock);
	return 0;
}
VAC_EXPORT(vac_device_add);

/**
 * vac_device_del() - The reverse; files that are open keep their instance.
 * @inst: the instance. If it was the default, there is none afterwards.
 *
 * Context: process context; takes vac.lock.
 */
void vac_device_del(struct vac_instance *inst)
{
	mutex_lock(&vac.lock);
	inst->fops = NULL;
	if (vac.default_instance == inst) {
		vac.default_instance = NULL;
		if (*vac.chosen)
			pr_info("the default instance %s goes; /dev/kvm is without one until kvm-%s is loaded again, or: echo TAG > /sys/kernel/vac/default\n",
				inst->desc.tag, inst->desc.tag);
		else if (others_there(inst))
			pr_info("the default instance %s goes; /dev/kvm is without one until: echo TAG > /sys/kernel/vac/default\n",
				inst->desc.tag);
	}
	mutex_unlock(&vac.lock);
}
VAC_EXPORT(vac_device_del);

/**
 * vac_device_choose() - What a person writes to /sys/kernel/vac/default.
 * @word: a tag or "none", with or without a line end.
 *
 * Context: process context; takes vac.lock.
 * Return: 0, or -ENOENT where no instance of that tag has its device: nothing
 * changes.
 */
int vac_device_choose(const char *word)
{
	struct vac_instance *inst, *chosen = NULL;
	int r = -ENOENT;

	mutex_lock(&vac.lock);
	list_for_each_entry(inst, &vac.instances, link)
		if (inst->fops && sysfs_streq(word, inst->desc.tag))
			chosen = inst;
	if (chosen || sysfs_streq(word, "none")) {
		vac.default_instance = chosen;
		strscpy(vac.chosen, chosen ? chosen->desc.tag : "none", sizeof(vac.chosen));
		r = 0;
	}
	mutex_unlock(&vac.lock);
	return r;
}
