// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - /dev/kvm (10:232) and the instance it stands for.
 *
 * vac owns the minor as long as it is loaded, so that the node keeps the owner,
 * group and mode that udev gives it and stock KVM cannot take it back. An open
 * is handed to the default instance, and vac has no part in it from then on:
 * the file has the instance's operations and pins the instance's module.
 *
 * A chooser (chooser.c) may pick another instance for an open.
 *
 * The default is chosen by writing a tag or "none" to /sys/kernel/vac/default.
 * The last word written holds as long as vac is loaded: while that instance is
 * not loaded there is no default, when it is loaded again it is the default
 * again, and no other load changes anything. So a load never undoes a rollback.
 * Until somebody has written, the first instance is the default: the one whose
 * device is added while no other has one, however many are being loaded at that
 * time.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "internal.h"

/* The instance of that tag, if it has a device; under vac.lock. */
static struct vac_instance *find_with_device(const char *word)
{
	struct vac_instance *inst;

	list_for_each_entry(inst, &vac.instances, link)
		if (inst->device.fops && sysfs_streq(word, inst->desc.tag))
			return inst;
	return NULL;
}

/* The operations of a tag's instance, or of the default for "", pinned; or NULL. */
static const struct file_operations *get_fops(const char *tag)
{
	const struct file_operations *fops = NULL;
	const struct vac_instance *inst;

	mutex_lock(&vac.lock);
	inst = *tag ? find_with_device(tag) : vac.default_instance;
	if (inst)
		fops = fops_get(inst->device.fops);
	mutex_unlock(&vac.lock);
	return fops;
}

/*
 * Process context. misc_open() holds misc_mtx, which is outside vac.lock:
 * instances register their own misc device without holding vac.lock.
 */
static int device_open(struct inode *inode, struct file *file)
{
	const struct file_operations *fops = NULL;
	char tag[VAC_TAG_MAX + 1];
	int asked;

	/* Twice: the instance that was named may be gone by now, and another can be named. */
	for (asked = 0; !fops && asked < 2; asked++) {
		int r = vac_chooser_ask(file, tag);

		if (r) {
			pr_err_ratelimited("/dev/kvm opened by %s[%d]: the chooser (/sys/kernel/vac/chooser) refuses it: %d\n",
					   current->comm, task_pid_nr(current), r);
			vac_refused("vac", "chooser-refused");
			return r;
		}
		fops = get_fops(tag);
	}
	if (!fops && *tag) {
		pr_err_ratelimited("/dev/kvm opened by %s[%d]: the chooser (/sys/kernel/vac/chooser) wants %s, which is no instance here; ls /sys/kernel/vac/instances\n",
				   current->comm, task_pid_nr(current), tag);
		vac_refused("vac", "chosen-unknown");
		return -ENXIO;
	}
	if (!fops) {
		pr_err_ratelimited("/dev/kvm opened by %s[%d], but no default instance is chosen: echo TAG > /sys/kernel/vac/default\n",
				   current->comm, task_pid_nr(current));
		vac_refused("vac", "no-default");
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

/* An instance other than this one has a device; under vac.lock. */
static bool others_there(const struct vac_instance *inst)
{
	const struct vac_instance *other;

	list_for_each_entry(other, &vac.instances, link)
		if (other != inst && other->device.fops)
			return true;
	return false;
}

/**
 * vac_device_add() - Let /dev/kvm lead to an instance when it is the default.
 * @inst: the instance.
 * @ops: how it is opened; copied.
 *
 * It becomes the default if its tag is what a person wrote last, or if nobody
 * has written yet and no other instance has a device.
 *
 * Context: process context; takes vac.lock.
 * Return: 0, or -EINVAL where its file operations have no owner: a file must pin its module.
 */
int vac_device_add(struct vac_instance *inst, const struct vac_device_ops *ops)
{
	if (WARN_ON_ONCE(!vac_is_whole(ops, fops) || !ops->fops || !ops->fops->owner))
		return -EINVAL;
	mutex_lock(&vac.lock);
	vac_copy_sized(&inst->device, ops);
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
	inst->device.fops = NULL;
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
	struct vac_instance *chosen;
	int r = -ENOENT;

	mutex_lock(&vac.lock);
	chosen = find_with_device(word);
	if (chosen || sysfs_streq(word, "none")) {
		vac.default_instance = chosen;
		strscpy(vac.chosen, chosen ? chosen->desc.tag : "none", sizeof(vac.chosen));
		r = 0;
	}
	mutex_unlock(&vac.lock);
	return r;
}
