// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio.c - VFIO's references to VMs (hazard 21): each goes to the instance of the
 * VM, and pins that.
 *
 * VFIO looks kvm_get_kvm_safe() and kvm_put_kvm() up by name, so a machine has
 * one of each. vac-vfio.ko (vfio_names.c) has these names and calls vac. An
 * instance adds its VM here when a VFIO file is added to a kvm-vfio device of the
 * VM, before VFIO learns of the VM, and removes it with that device. VFIO may hold
 * the VM for longer than that; the VM is in the list until both have let go.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include "internal.h"

static struct {
	/*
	 * Of the list and all in it; leaf. VFIO holds a spinlock_t of its own around it. Neither is
	 * taken with interrupts or preemption off: on PREEMPT_RT both may sleep.
	 */
	spinlock_t lock;
	struct list_head vms;
} vfio = {
	.lock = __SPIN_LOCK_UNLOCKED(vfio.lock),
	.vms = LIST_HEAD_INIT(vfio.vms),
};

/* Each VM in the list pins vac-vfio.ko by this name: it stays loaded while VFIO may call it. */
#define NAME "kvm_put_kvm"

static struct vac_vm *find(struct kvm *kvm)
{
	struct vac_vm *vm;

	list_for_each_entry(vm, &vfio.vms, vfio_link)
		if (vm->desc.kvm == kvm)
			return vm;
	return NULL;
}

/* Under the lock; afterwards vac-vfio.ko may be unloaded. */
static void forget(struct vac_vm *vm)
{
	list_del_init(&vm->vfio_link);
	__symbol_put(NAME);
}

/* True if the VM is in the list already. */
static bool add_again(struct vac_vm *vm)
{
	bool known = !list_empty(&vm->vfio_link);

	if (known)
		vm->vfio_added = true;
	return known;
}

/**
 * vac_vfio_add() - VFIO is about to learn of a VM.
 * @vm: the VM. It may be in the list already.
 * @ops: how references to it are taken and dropped; copied.
 *
 * Context: process context; may load vac-vfio.ko.
 * Return: 0, -ENOENT with one line in the log if vac-vfio.ko is not there, or -EINVAL where
 * something is missing in @ops.
 */
int vac_vfio_add(struct vac_vm *vm, const struct vac_vfio_ops *ops)
{
	bool known;

	if (WARN_ON_ONCE(!vac_is_whole(ops, put) || !ops->get || !ops->put))
		return -EINVAL;
	spin_lock(&vfio.lock);
	known = add_again(vm);
	spin_unlock(&vfio.lock);
	if (known)
		return 0;
	if (!try_then_request_module(__symbol_get(NAME), "vac-vfio")) {
		pr_err_ratelimited("kvm_%s: VFIO cannot be told of its VM: the module vac-vfio is not there and was not found; load it: modprobe vac-vfio\n",
				   vm->inst->desc.tag);
		vac_refused(module_name(vm->inst->desc.owner), "vfio-names");
		return -ENOENT;
	}
	spin_lock(&vfio.lock);
	known = add_again(vm);
	if (!known) {
		vac_copy_sized(&vm->vfio, ops);
		vm->vfio_added = true;
		list_add(&vm->vfio_link, &vfio.vms);
	}
	spin_unlock(&vfio.lock);
	if (known)
		__symbol_put(NAME);
	return 0;
}
VAC_EXPORT(vac_vfio_add);

/**
 * vac_vfio_del() - VFIO gets no new reference to a VM once it has dropped those it holds.
 * @vm: the VM; nothing happens if vac_vfio_add() was not called for it.
 *
 * Context: any but interrupts.
 */
void vac_vfio_del(struct vac_vm *vm)
{
	spin_lock(&vfio.lock);
	if (!list_empty(&vm->vfio_link)) {
		vm->vfio_added = false;
		if (!vm->vfio_references)
			forget(vm);
	}
	spin_unlock(&vfio.lock);
}
VAC_EXPORT(vac_vfio_del);

/**
 * vac_vfio_get() - VFIO takes a reference to a VM. For vac-vfio.ko only.
 * @kvm: the VM.
 *
 * It pins the instance's module as well: once the VM's files are closed nothing
 * else does, and vac_vfio_put() has to return through its code.
 *
 * Context: any but interrupts.
 * Return: false if the VM is being destroyed, or, with one line in the log, if it
 * is not in the list.
 */
bool vac_vfio_get(struct kvm *kvm)
{
	bool got = false;
	struct vac_vm *vm;

	spin_lock(&vfio.lock);
	vm = find(kvm);
	if (vm && try_module_get(vm->inst->desc.owner)) {
		got = vm->vfio.get(kvm);
		if (got)
			vm->vfio_references++;
		else
			module_put(vm->inst->desc.owner);
	}
	spin_unlock(&vfio.lock);
	if (!vm)
		pr_err_ratelimited("VFIO asks for a VM that is of no instance; it goes without\n");
	return got;
}
VAC_EXPORT(vac_vfio_get);

/**
 * vac_vfio_put() - VFIO drops a reference to a VM. For vac-vfio.ko only.
 * @kvm: the VM; the reference is from vac_vfio_get().
 *
 * Context: process context; sleeps if that destroys the VM.
 */
void vac_vfio_put(struct kvm *kvm)
{
	void (*put)(struct kvm *kvm) = NULL;
	struct module *owner;
	struct vac_vm *vm;

	spin_lock(&vfio.lock);
	vm = find(kvm);
	if (vm && vm->vfio_references) {
		put = vm->vfio.put;
		owner = vm->inst->desc.owner;
		vm->vfio_references--;
		/* Before the VM is freed: the next one may get its address. */
		if (!vm->vfio_references && !vm->vfio_added)
			forget(vm);
	}
	spin_unlock(&vfio.lock);
	if (!put) {
		pr_err_ratelimited("VFIO drops a reference that it does not have; nothing is done\n");
		return;
	}
	put(kvm);
	module_put(owner);
}
VAC_EXPORT(vac_vfio_put);

/* For debugfs: one line per VM. */
void vac_vfio_show(struct seq_file *m)
{
	struct vac_vm *vm;

	spin_lock(&vfio.lock);
	list_for_each_entry(vm, &vfio.vms, vfio_link)
		seq_printf(m, "instance=%s added=%d references=%u\n", vm->inst->desc.tag,
			   vm->vfio_added, vm->vfio_references);
	spin_unlock(&vfio.lock);
}
