// SPDX-License-Identifier: GPL-2.0-only
/*
 * instance.c - the instances: which are admitted, which are loaded, which are closed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

/* Sizes below this one were never released. */
#define DESC_SIZE_MIN	offsetofend(struct vac_instance_desc, unmitigated)

/**
 * vac_capabilities() - What this vac mediates on this machine.
 *
 * Context: any.
 * Return: VAC_CAP_* bits; constant while vac is loaded.
 */
u64 vac_capabilities(void)
{
	return vac.vendor->capabilities;
}
VAC_EXPORT(vac_capabilities);

/* The tools that make instances refuse them as well: see not-tags.h. */
static const char * const not_tags[] = {
#define NOT_A_TAG(word) #word,
#include "not-tags.h"
#undef NOT_A_TAG
};

static bool tag_is_good(const char *tag)
{
	size_t i, n = strlen(tag);

	if (n < 1 || n > VAC_TAG_MAX || tag[0] < 'a' || tag[0] > 'z')
		return false;
	for (i = 0; i < ARRAY_SIZE(not_tags); i++)
		if (!strcmp(tag, not_tags[i]))
			return false;
	for (i = 1; i < n; i++)
		if (!(tag[i] >= 'a' && tag[i] <= 'z') && !(tag[i] >= '0' && tag[i] <= '9') &&
		    tag[i] != '_')
			return false;
	return true;
}

static int check_interface(const struct vac_instance_desc *desc, const char *name)
{
	if (desc->major != VAC_MAJOR) {
		pr_err("refused %s: built for vac interface %u.%u, this is %d.%d; rebuild it against the vac that is loaded\n",
		       name, desc->major, desc->minor, VAC_MAJOR, VAC_MINOR);
		vac_refused(name, "interface");
		return -EPROTO;
	}
	if (desc->size < DESC_SIZE_MIN) {
		pr_err("refused %s: its descriptor has %u bytes, at least %zu are needed; rebuild it against the vac that is loaded\n",
		       name, desc->size, DESC_SIZE_MIN);
		vac_refused(name, "descriptor");
		return -EBADMSG;
	}
	return 0;
}

static int check_vendor(const struct vac_instance_desc *desc)
{
	u64 need = vac.vendor == &vac_vendor_svm ? desc->need_svm : desc->need_vmx;
	u64 missing = need & ~vac.vendor->capabilities;

	if (!missing)
		return 0;
	vac_refused(module_name(desc->owner), "capability");
	pr_err("refused kvm_%s: this vac does not mediate what it needs on %s (capabilities %#llx missing); install a newer vac or use the stock kvm\n",
	       desc->tag, vac.vendor->name, missing);
	return -EOPNOTSUPP;
}

/* A tag whose instance gets no VM. It stays closed while the instance is not loaded. */
struct closed_tag {
	struct list_head link;		/* vac.closed */
	char tag[VAC_TAG_MAX + 1];
};

static char *closed_tags = "";
module_param_named(closed, closed_tags, charp, 0);
MODULE_PARM_DESC(closed, "tags whose instances are closed from the beginning: a,b,...");

/* Under vac.lock, as are the functions down to open_tag(). */
static struct closed_tag *find_closed(const char *tag)
{
	struct closed_tag *closed;

	list_for_each_entry(closed, &vac.closed, link)
		if (!strcmp(closed->tag, tag))
			return closed;
	return NULL;
}

static int close_tag(const char *tag)
{
	struct closed_tag *closed;

	if (find_closed(tag))
		return 0;
	closed = kzalloc(sizeof(*closed), GFP_KERNEL);
	if (!closed)
		return -ENOMEM;
	strscpy(closed->tag, tag, sizeof(closed->tag));
	list_add_tail(&closed->link, &vac.closed);
	return 0;
}

static void open_tag(const char *tag)
{
	struct closed_tag *closed = find_closed(tag);

	if (closed) {
		list_del(&closed->link);
		kfree(closed);
	}
}

/**
 * vac_instance_close() - Close an instance, so that it creates no VM, or open it again.
 * @inst: the instance; its tag stays closed when it is loaded again.
 * @closed: true to close it.
 *
 * Context: process context; takes vac.lock. When it returns each VM of a closed instance
 * is in sysfs, and no other comes.
 * Return: 0 or -ENOMEM: nothing changed.
 */
int vac_instance_close(struct vac_instance *inst, bool closed)
{
	int r = 0;

	mutex_lock(&vac.lock);
	if (closed)
		r = close_tag(inst->desc.tag);
	else
		open_tag(inst->desc.tag);
	if (!r)
		WRITE_ONCE(inst->closed, closed);
	mutex_unlock(&vac.lock);
	return r;
}

static void free_tags(struct list_head *tags)
{
	struct closed_tag *closed, *next;

	list_for_each_entry_safe(closed, next, tags, link)
		kfree(closed);
	INIT_LIST_HEAD(tags);
}

/* Close each tag in @words, which it modifies, up to the first failure; under vac.lock. */
static int close_words(char *words)
{
	char *word;
	int r = 0;

	while (!r && (word = strsep(&words, " ,\n")))
		if (*word)
			r = tag_is_good(word) ? close_tag(word) : -EINVAL;
	return r;
}

/**
 * vac_closed_set() - Close these tags, loaded or not, and open all others.
 * @list: tags with commas or blanks between.
 *
 * Context: process context; takes vac.lock. As vac_instance_close().
 * Return: 0, -EINVAL with one line in the log where one is no tag, or -ENOMEM: nothing changed.
 */
int vac_closed_set(const char *list)
{
	char *words = kstrdup(list, GFP_KERNEL);
	struct vac_instance *inst;
	LIST_HEAD(before);
	int r;

	if (!words)
		return -ENOMEM;
	mutex_lock(&vac.lock);
	list_splice_init(&vac.closed, &before);
	r = close_words(words);
	if (r) {
		free_tags(&vac.closed);
		list_splice_init(&before, &vac.closed);
	}
	list_for_each_entry(inst, &vac.instances, link)
		WRITE_ONCE(inst->closed, find_closed(inst->desc.tag));
	free_tags(&before);
	mutex_unlock(&vac.lock);
	kfree(words);
	if (r == -EINVAL)
		pr_err("refused: \"%.*s\" is no list of tags to close: TAG,TAG\n",
		       (int)strcspn(list, "\n"), list);
	return r;
}

/* For sysfs: one line, which may be written back. */
ssize_t vac_closed_show(char *buf)
{
	const struct closed_tag *closed;
	const char *separator = "";
	ssize_t n = 0;

	mutex_lock(&vac.lock);
	list_for_each_entry(closed, &vac.closed, link) {
		n += sysfs_emit_at(buf, n, "%s%s", separator, closed->tag);
		separator = " ";
	}
	mutex_unlock(&vac.lock);
	return n + sysfs_emit_at(buf, n, "\n");
}

static struct vac_instance *find(const char *tag)
{
	struct vac_instance *inst;

	list_for_each_entry(inst, &vac.instances, link)
		if (!strcmp(inst->desc.tag, tag))
			return inst;
	return NULL;
}

/* Remove it from the list and from every CPU's record. Its last vCPU is gone. */
static void leave(struct vac_instance *inst)
{
	unsigned int cpu;

	mutex_lock(&vac.lock);
	WARN_ON_ONCE(inst->users || inst->device.fops || inst->srso_vms ||
		     atomic_read(&inst->vcpus) || atomic_read(&inst->vpids));
	cpus_read_lock();
	list_del_rcu(&inst->link);
	cpus_read_unlock();
	/*
	 * No CPU stores this pointer again, but one that meanwhile loads a vCPU of another
	 * instance stores that one's.
	 */
	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu(vac_cpu.asked, cpu), inst, NULL);
	mutex_unlock(&vac.lock);
	synchronize_rcu();
}

/**
 * vac_instance_register() - Admit an instance.
 * @desc: what it is; copied, but its strings and functions must stay.
 *
 * Nothing calls the instance before it registers more (a device, a perf
 * callback, ...) or holds virtualization with vac_virt_get().
 *
 * Context: process context, from the instance's module_init; takes vac.lock.
 * Return: a handle, or ERR_PTR: -EPROTO (another major), -EBADMSG (a descriptor that is too
 * short), -EOPNOTSUPP (vac does not mediate what it needs here), -EEXIST (the tag is taken),
 * -EINVAL (no valid tag), each with one line in the log; -ENOMEM.
 */
struct vac_instance *vac_instance_register(const struct vac_instance_desc *desc)
{
	static u32 ids;
	struct vac_instance *inst;
	int r;

	r = check_interface(desc, desc->owner ? module_name(desc->owner) : "an instance");
	if (r)
		return ERR_PTR(r);
	if (!desc->tag || !tag_is_good(desc->tag)) {
		pr_err("refused %s: \"%.40s\" is not a tag, [a-z][a-z0-9_]{0,23}, or is one of those in vac/not-tags.h; choose another tag\n",
		       module_name(desc->owner), desc->tag ?: "");
		vac_refused(module_name(desc->owner), "tag");
		return ERR_PTR(-EINVAL);
	}
	r = check_vendor(desc);
	if (r)
		return ERR_PTR(r);

	inst = kzalloc(sizeof(*inst), GFP_KERNEL);
	if (!inst)
		return ERR_PTR(-ENOMEM);
	vac_sysfs_prepare(inst);	/* from here kobject_put() frees it */
	vac_copy_sized(&inst->desc, desc);
	r = -ENOMEM;
	if (!zalloc_cpumask_var(&inst->cpus, GFP_KERNEL))
		goto put;
	inst->asids = alloc_percpu(u64);
	if (!inst->asids)
		goto put;

	mutex_lock(&vac.lock);
	if (find(desc->tag)) {
		mutex_unlock(&vac.lock);
		pr_err("refused %s: an instance with the tag %s is loaded; choose another tag\n",
		       module_name(desc->owner), desc->tag);
		vac_refused(module_name(desc->owner), "tag-taken");
		r = -EEXIST;
		goto put;
	}
	inst->id = ++ids;
	inst->closed = find_closed(desc->tag);
	cpus_read_lock();
	list_add_tail_rcu(&inst->link, &vac.instances);
	cpus_read_unlock();
	mutex_unlock(&vac.lock);
	/* Not under vac.lock, which a write to one of its files takes. */
	r = vac_sysfs_add(inst);
	if (!r)
		return inst;
	leave(inst);
put:
	kobject_put(&inst->kobj);
	return ERR_PTR(r);
}
VAC_EXPORT(vac_instance_register);

/**
 * vac_instance_unregister() - Let an instance go.
 * @inst: the handle; invalid afterwards.
 *
 * The instance has removed its device and has no VMs. After the return no
 * callback runs or starts: the hotplug callbacks were excluded by
 * cpus_read_lock(), and synchronize_rcu() waits for every IRQ and NMI that saw
 * it, and for every crash or suspend path that walks the list.
 *
 * Context: process context; takes vac.lock; waits for readers and writers of its files
 * in sysfs, and sleeps for a grace period.
 */
void vac_instance_unregister(struct vac_instance *inst)
{
	kobject_del(&inst->kobj);	/* first: a tag that is not in the list can be taken */
	leave(inst);
	kobject_put(&inst->kobj);
}
VAC_EXPORT(vac_instance_unregister);

/**
 * vac_instance_state() - Whether a tag's instance has a device, and whether the tag is closed.
 * @tag: the tag.
 *
 * For a chooser, which may name another instead. The answer may be out of date at once; an
 * instance that is being unloaded counts as gone.
 *
 * Context: process context; takes vac.lock.
 * Return: VAC_INSTANCE_* bits. A tag may be closed while no instance has it.
 */
u32 vac_instance_state(const char *tag)
{
	const struct vac_instance *inst;
	u32 state = 0;

	mutex_lock(&vac.lock);
	inst = find(tag);
	if (inst && inst->device.fops && module_is_live(inst->desc.owner))
		state |= VAC_INSTANCE_DEVICE;
	if (find_closed(tag))
		state |= VAC_INSTANCE_CLOSED;
	mutex_unlock(&vac.lock);
	return state;
}
VAC_EXPORT(vac_instance_state);

int __init vac_instance_init(void)
{
	return vac_closed_set(closed_tags);
}

void vac_instance_exit(void)
{
	free_tags(&vac.closed);
}
