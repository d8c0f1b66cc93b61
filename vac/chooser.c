// SPDX-License-Identifier: GPL-2.0-only
/*
 * chooser.c - the place for a policy: a module that picks the instance at an open of
 * /dev/kvm. vac has no policy of its own; without a chooser the default is opened.
 *
 * The chooser may sleep, so SRCU protects it: after vac_chooser_unregister() no call
 * runs or starts.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "internal.h"

static DEFINE_MUTEX(lock);			/* of registration; outside of vac.lock */
static struct vac_chooser_ops ops;		/* vac's own copy; written while nobody reads it */
static struct vac_chooser_ops __rcu *chooser;	/* &ops, or NULL */
DEFINE_STATIC_SRCU(chooser_srcu);

/* For reports; under vac.lock, because "lock" may be held for as long as a call takes. */
static char name[MODULE_NAME_LEN] = "none";

static void set_name(const char *to)
{
	mutex_lock(&vac.lock);
	strscpy(name, to, sizeof(name));
	mutex_unlock(&vac.lock);
}

/**
 * vac_chooser_register() - Let a module choose the instance at each open of /dev/kvm.
 * @from: how; copied.
 *
 * Context: process context; not from choose(), nor in the open of another misc device.
 * Return: 0, -EINVAL where something is missing in @from, or -EBUSY with one line in the log if
 * there is a chooser already.
 */
int vac_chooser_register(const struct vac_chooser_ops *from)
{
	int r = 0;

	if (WARN_ON_ONCE(!vac_is_whole(from, choose) || !from->owner || !from->choose))
		return -EINVAL;
	mutex_lock(&lock);
	if (rcu_access_pointer(chooser)) {
		pr_err("refused %s: %s chooses at /dev/kvm already; unload that first\n",
		       module_name(from->owner), name);
		vac_refused(module_name(from->owner), "chooser-taken");
		r = -EBUSY;
	} else {
		vac_copy_sized(&ops, from);
		set_name(module_name(ops.owner));
		rcu_assign_pointer(chooser, &ops);
	}
	mutex_unlock(&lock);
	return r;
}
VAC_EXPORT(vac_chooser_register);

/**
 * vac_chooser_unregister() - The reverse; nothing happens if another module's is registered.
 * @from: as it was registered.
 *
 * Context: process context; waits for calls that are under way; not from choose(), nor in the open
 * of another misc device.
 */
void vac_chooser_unregister(const struct vac_chooser_ops *from)
{
	mutex_lock(&lock);
	if (rcu_access_pointer(chooser) && ops.owner == from->owner) {
		rcu_assign_pointer(chooser, NULL);
		set_name("none");
		synchronize_srcu(&chooser_srcu);
	}
	mutex_unlock(&lock);
}
VAC_EXPORT(vac_chooser_unregister);

/**
 * vac_chooser_ask() - Where an open of /dev/kvm goes. The next answer may differ.
 * @file: what is being opened.
 * @tag: room for VAC_TAG_MAX characters and a 0; "" is written for the default.
 *
 * Context: process context, misc_mtx held by the kernel, no lock of vac's.
 * Return: 0, or -errno, with which the open fails.
 */
int vac_chooser_ask(struct file *file, char *tag)
{
	const struct vac_chooser_ops *c;
	int index, r = 0;

	memset(tag, 0, VAC_TAG_MAX + 1);
	index = srcu_read_lock(&chooser_srcu);
	c = srcu_dereference(chooser, &chooser_srcu);
	if (c)
		r = c->choose(file, tag);
	srcu_read_unlock(&chooser_srcu, index);
	tag[VAC_TAG_MAX] = '\0';
	return r > 0 ? -EINVAL : r;
}

/* For sysfs. */
ssize_t vac_chooser_show(char *buf)
{
	ssize_t n;

	mutex_lock(&vac.lock);
	n = sysfs_emit(buf, "%s\n", name);
	mutex_unlock(&vac.lock);
	return n;
}
