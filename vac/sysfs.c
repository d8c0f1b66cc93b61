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
static struct kobject *vms;

static const struct {
	u64 bit;
	const char *name;
} capability_names[] = {
	{ VAC_CAP_SVM, "svm" }, { VAC_CAP_ASID, "asid" }, { VAC_CAP_TSC_RATIO, "tsc-ratio" },
	{ VAC_CAP_SEV_ASID, "sev-asid" }, { VAC_CAP_AVIC, "avic" }, { VAC_CAP_SRSO, "srso" },
	{ VAC_CAP_VMX, "vmx" }, { VAC_CAP_VPID, "vpid" }, { VAC_CAP_VFIO, "vfio" },
	{ VAC_CAP_VM, "vm" }, { VAC_CAP_CLOSING, "closing" },
	{ VAC_CAP_FLUSH_CONFIRM, "flush-confirm" },
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
		vac_refused("vac", "default-unknown");
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

/* Slots that a machine has once, and who holds them now. */
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

static ssize_t closed_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return vac_closed_show(buf);
}

static ssize_t closed_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			    size_t count)
{
	return vac_closed_set(buf) ?: count;
}

static ssize_t chooser_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return vac_chooser_show(buf);
}

static ssize_t refused_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return vac_refused_show(buf);
}

static struct kobj_attribute version_attr = __ATTR_RO(version);
static struct kobj_attribute capabilities_attr = __ATTR_RO(capabilities);
static struct kobj_attribute vendor_attr = __ATTR_RO(vendor);
static struct kobj_attribute default_attr = __ATTR(default, 0644, default_show, default_store);
static struct kobj_attribute enabled_attr = __ATTR_RO(enabled);
static struct kobj_attribute users_attr = __ATTR_RO(users);
static struct kobj_attribute slots_attr = __ATTR_RO(slots);
static struct kobj_attribute closed_attr = __ATTR(closed, 0644, closed_show, closed_store);
static struct kobj_attribute chooser_attr = __ATTR_RO(chooser);
static struct kobj_attribute refused_attr = __ATTR_RO(refused);

static const struct attribute *root_attrs[] = {
	&version_attr.attr, &capabilities_attr.attr, &vendor_attr.attr, &default_attr.attr,
	&closed_attr.attr, &enabled_attr.attr, &users_attr.attr, &slots_attr.attr,
	&chooser_attr.attr, &refused_attr.attr, NULL,
};

struct instance_attribute {
	struct attribute attr;
	ssize_t (*show)(struct vac_instance *inst, char *buf);
	ssize_t (*store)(struct vac_instance *inst, const char *buf, size_t count);
};

#define INSTANCE_ATTR(_name, _format, ...)						\
static ssize_t instance_##_name##_show(struct vac_instance *inst, char *buf)		\
{											\
	return sysfs_emit(buf, _format "\n", __VA_ARGS__);				\
}											\
static const struct instance_attribute instance_##_name =				\
	{ { .name = #_name, .mode = 0444 }, instance_##_name##_show }

INSTANCE_ATTR(number, "%u", inst->id);
INSTANCE_ATTR(vms, "%u", READ_ONCE(inst->vms));
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

static ssize_t instance_closed_show(struct vac_instance *inst, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(inst->closed));
}

static ssize_t instance_closed_store(struct vac_instance *inst, const char *buf, size_t count)
{
	bool closed;
	int r = kstrtobool(buf, &closed);

	if (r)
		return r;
	r = vac_instance_close(inst, closed);
	return r ?: count;
}

static const struct instance_attribute instance_closed = {
	{ .name = "closed", .mode = 0644 }, instance_closed_show, instance_closed_store
};

static const struct attribute *instance_attrs[] = {
	&instance_number.attr, &instance_closed.attr, &instance_vms.attr, &instance_vcpus.attr,
	&instance_asids.attr, &instance_vpids.attr, &instance_references.attr,
	&instance_snapshot.attr, &instance_snapshot_digest.attr, &instance_rules_digest.attr,
	&instance_patches.attr, &instance_unmitigated.attr, &instance_interface.attr,
	&instance_capabilities.attr, NULL,
};

static ssize_t instance_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	return container_of(attr, const struct instance_attribute, attr)
		->show(container_of(kobj, struct vac_instance, kobj), buf);
}

static ssize_t instance_store(struct kobject *kobj, struct attribute *attr, const char *buf,
			      size_t count)
{
	const struct instance_attribute *a = container_of(attr, const struct instance_attribute,
							  attr);

	return a->store ? a->store(container_of(kobj, struct vac_instance, kobj), buf, count) :
			  -EIO;
}

static const struct sysfs_ops instance_ops = { .show = instance_show, .store = instance_store };

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
 * vac_sysfs_prepare() - From here on kobject_put() frees an instance, and removes what is shown.
 * @inst: zeroed.
 *
 * Context: any.
 */
void vac_sysfs_prepare(struct vac_instance *inst)
{
	kobject_init(&inst->kobj, &instance_type);
	inst->kobj.kset = instances;
}

/**
 * vac_sysfs_add() - Show an instance under /sys/kernel/vac/instances.
 * @inst: complete.
 *
 * Context: process context, not under vac.lock, which a write to a file takes.
 * Return: 0 or -errno.
 */
int vac_sysfs_add(struct vac_instance *inst)
{
	int r = kobject_add(&inst->kobj, NULL, "%s", inst->desc.tag);

	return r ?: sysfs_create_files(&inst->kobj, instance_attrs);
}

struct vm_attribute {
	struct attribute attr;
	ssize_t (*show)(struct vac_vm *vm, char *buf);
};

/* For root only: a container must learn nothing about other people's VMs, not even their size. */
#define VM_ATTR(_name, _format, ...)							\
static ssize_t vm_##_name##_show(struct vac_vm *vm, char *buf)				\
{											\
	return sysfs_emit(buf, _format "\n", __VA_ARGS__);				\
}											\
static const struct vm_attribute vm_##_name =						\
	{ { .name = #_name, .mode = 0400 }, vm_##_name##_show }

VM_ATTR(instance, "%s", vm->inst->desc.tag);
VM_ATTR(pid, "%d", vm->pid);
VM_ATTR(vcpus, "%d", atomic_read(&vm->vcpus));
VM_ATTR(since, "%lld", vm->since);

static struct attribute *vm_attrs[] = {
	(struct attribute *)&vm_instance.attr, (struct attribute *)&vm_pid.attr,
	(struct attribute *)&vm_vcpus.attr, (struct attribute *)&vm_since.attr, NULL,
};
ATTRIBUTE_GROUPS(vm);

static ssize_t vm_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	return container_of(attr, const struct vm_attribute, attr)
		->show(container_of(kobj, struct vac_vm, kobj), buf);
}

static const struct sysfs_ops vm_ops = { .show = vm_show };

/* vac_vm_on_cpu() may look at it in an NMI until the grace period is over. */
static void vm_release(struct kobject *kobj)
{
	kfree_rcu(container_of(kobj, struct vac_vm, kobj), rcu);
}

static struct kobj_type vm_type = {
	.sysfs_ops = &vm_ops,
	.release = vm_release,
	.default_groups = vm_groups,
};

/**
 * vac_sysfs_add_vm() - Show a VM under /sys/kernel/vac/vms.
 * @vm: complete; from here on kobject_put() frees it, whatever this returns.
 *
 * Context: process context.
 * Return: 0 or -errno.
 */
int vac_sysfs_add_vm(struct vac_vm *vm)
{
	return kobject_init_and_add(&vm->kobj, &vm_type, vms, "%llu", vm->number);
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
	vms = kobject_create_and_add("vms", root);
	if (vms)
		return 0;
	kset_unregister(instances);
put:
	kobject_put(root);
	return r;
}

void vac_sysfs_exit(void)
{
	kobject_put(vms);
	kset_unregister(instances);
	sysfs_remove_files(root, root_attrs);
	kobject_put(root);
}
