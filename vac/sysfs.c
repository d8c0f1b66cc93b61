// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysfs.c - /sys/kernel/vac: see README.md beside this file for the tree.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "internal.h"

static struct kobject *root;
static struct kset *instances;

static const struct {
	u64 bit;
	const char *name;
} capability_names[] = {
	{ VAC_CAP_SVM, "svm" }, { VAC_CAP_ASID, "asid" }, { VAC_CAP_TSC_RATIO, "tsc-ratio" },
	{ VAC_CAP_SEV_ASID, "sev-asid" }, { VAC_CAP_AVIC, "avic" }, { VAC_CAP_SRSO, "srso" },
	{ VAC_CAP_VMX, "vmx" }, { VAC_CAP_VPID, "vpid" }, { VAC_CAP_VFIO, "vfio" },
};

static ssize_t show_capabilities(char *buf, u64 bits)
{
	const char *separator = "";
	int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(capability_names); i++) {
		if (!(bits & capability_names[i].bit))
			continue;
		n += sysfs_emit_at(buf, n, "%s%s", separator, capability_names[i].name);
		separator = " ";
	}
	return n + sysfs_emit_at(buf, n, "\n");
}

static ssize_t version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d.%d\n", VAC_MAJOR, VAC_MINOR);
}

static ssize_t capabilities_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return show_capabilities(buf, vac.vendor->capabilities);
}

static ssize_t vendor_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", vac.vendor->name);
}

static ssize_t default_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	int n;

	mutex_lock(&vac.lock);
	n = sysfs_emit(buf, "%s\n",
		       vac.default_instance ? vac.default_instance->desc.tag : "none");
	mutex_unlock(&vac.lock);
	return n;
}

static ssize_t default_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			     size_t count)
{
	int r = vac_device_choose(buf);

	if (r) {
		pr_err("no instance %.*s to make the default; ls /sys/kernel/vac/instances\n",
		       (int)min_t(size_t, strcspn(buf, "\n"), VAC_TAG_MAX), buf);
		return r;
	}
	return count;
}

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	unsigned int cpu, on = 0;

	for_each_online_cpu(cpu)
		on += READ_ONCE(per_cpu(vac_cpu.on, cpu));
	return sysfs_emit(buf, "%u\n", on);
}

static ssize_t users_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(vac.users));
}

/* Slots that a machine has once, and who answers in them right now. */
static ssize_t slots_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	static const char * const common[] = { "cpu-hotplug", "clock-hotplug", "suspend", "reboot",
					       "perf-guest", "user-return-msrs" };
	static const char * const svm[] = { "svme", "host-save-area", "asids", "tsc-ratio",
					    "pmu-virt" };
	static const char * const vmx[] = { "vmxon", "vpids", "emergency",
					    "posted-interrupt-wakeup", "pt-vmx" };
	int i, n = 0;

	mutex_lock(&vac.lock);
	n += sysfs_emit_at(buf, n, "kvm-device %s\n",
			   vac.default_instance ? vac.default_instance->desc.tag : "vac");
	mutex_unlock(&vac.lock);
	for (i = 0; i < ARRAY_SIZE(common); i++)
		n += sysfs_emit_at(buf, n, "%s vac\n", common[i]);
	if (vac.vendor == &vac_vendor_svm)
		for (i = 0; i < ARRAY_SIZE(svm); i++)
			n += sysfs_emit_at(buf, n, "%s vac\n", svm[i]);
	else
		for (i = 0; i < ARRAY_SIZE(vmx); i++)
			n += sysfs_emit_at(buf, n, "%s vac\n", vmx[i]);
	return n;
}

static struct kobj_attribute version_attr = __ATTR_RO(version);
static struct kobj_attribute capabilities_attr = __ATTR_RO(capabilities);
static struct kobj_attribute vendor_attr = __ATTR_RO(vendor);
static struct kobj_attribute default_attr = __ATTR(default, 0644, default_show, default_store);
static struct kobj_attribute enabled_attr = __ATTR_RO(enabled);
static struct kobj_attribute users_attr = __ATTR_RO(users);
static struct kobj_attribute slots_attr = __ATTR_RO(slots);

static const struct attribute *root_attrs[] = {
	&version_attr.attr, &capabilities_attr.attr, &vendor_attr.attr, &default_attr.attr,
	&enabled_attr.attr, &users_attr.attr, &slots_attr.attr, NULL,
};

struct instance_attribute {
	struct attribute attr;
	ssize_t (*show)(struct vac_instance *inst, char *buf);
};

#define INSTANCE_ATTR(_name, _format, ...)						\
static ssize_t instance_##_name##_show(struct vac_instance *inst, char *buf)		\
{											\
	return sysfs_emit(buf, _format "\n", __VA_ARGS__);				\
}											\
static const struct instance_attribute instance_##_name =				\
	{ { .name = #_name, .mode = 0444 }, instance_##_name##_show }

INSTANCE_ATTR(vms, "%u", READ_ONCE(inst->users));
INSTANCE_ATTR(vcpus, "%d", atomic_read(&inst->vcpus));
INSTANCE_ATTR(vpids, "%d", atomic_read(&inst->vpids));
INSTANCE_ATTR(asids, "%u", vac_svm_asids(inst));
INSTANCE_ATTR(references, "%d", module_refcount(inst->desc.owner));
INSTANCE_ATTR(snapshot, "%s", inst->desc.snapshot);
INSTANCE_ATTR(snapshot_digest, "%s", inst->desc.snapshot_digest);
INSTANCE_ATTR(rules_digest, "%s", inst->desc.rules_digest);
INSTANCE_ATTR(patches, "%s", inst->desc.patches);
INSTANCE_ATTR(unmitigated, "%s", inst->desc.unmitigated ?: "unknown");
INSTANCE_ATTR(interface, "%u.%u", inst->desc.major, inst->desc.minor);

static ssize_t instance_capabilities_show(struct vac_instance *inst, char *buf)
{
	return show_capabilities(buf, vac.vendor == &vac_vendor_svm ? inst->desc.need_svm :
								      inst->desc.need_vmx);
}

static const struct instance_attribute instance_capabilities = {
	{ .name = "capabilities", .mode = 0444 }, instance_capabilities_show
};

static const struct attribute *instance_attrs[] = {
	&instance_vms.attr, &instance_vcpus.attr, &instance_asids.attr, &instance_vpids.attr,
	&instance_references.attr,
	&instance_snapshot.attr, &instance_snapshot_digest.attr, &instance_rules_digest.attr,
	&instance_patches.attr, &instance_unmitigated.attr, &instance_interface.attr,
	&instance_capabilities.attr, NULL,
};

static ssize_t instance_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	return container_of(attr, const struct instance_attribute, attr)
		->show(container_of(kobj, struct vac_instance, kobj), buf);
}

static const struct sysfs_ops instance_ops = { .show = instance_show };

static void instance_release(struct kobject *kobj)
{
	struct vac_instance *inst = container_of(kobj, struct vac_instance, kobj);

	free_percpu(inst->asids);
	free_cpumask_var(inst->cpus);
	kfree(inst);
}

static struct kobj_type instance_type = {
	.sysfs_ops = &instance_ops,
	.release = instance_release,
};

/**
 * vac_sysfs_add() - Show an instance under /sys/kernel/vac/instances.
 * @inst: zeroed but for desc and id; from here on kobject_put() ends it,
 *	whatever this returns, and removes what is shown.
 *
 * Context: process context, under vac.lock.
 * Return: 0 or -errno; on error @inst is gone already.
 */
int vac_sysfs_add(struct vac_instance *inst)
{
	int r;

	inst->kobj.kset = instances;
	r = kobject_init_and_add(&inst->kobj, &instance_type, NULL, "%s", inst->desc.tag);
	if (!r)
		r = sysfs_create_files(&inst->kobj, instance_attrs);
	if (r)
		kobject_put(&inst->kobj);
	return r;
}

int __init vac_sysfs_init(void)
{
	int r;

	root = kobject_create_and_add("vac", kernel_kobj);
	if (!root)
		return -ENOMEM;
	r = sysfs_create_files(root, root_attrs);
	if (r)
		goto put;
	r = -ENOMEM;
	instances = kset_create_and_add("instances", NULL, root);
	if (!instances)
		goto put;
	return 0;
put:
	kobject_put(root);
	return r;
}

void vac_sysfs_exit(void)
{
	kset_unregister(instances);
	sysfs_remove_files(root, root_attrs);
	kobject_put(root);
}
