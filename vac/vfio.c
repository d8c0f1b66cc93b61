// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio.c - VFIO's references to VMs (hazard 21): each goes to the instance whose
 * VM it is, and pins that.
 *
 * VFIO looks kvm_get_kvm_safe() and kvm_put_kvm() up by name, so a machine has
 * one of each. vac-vfio.ko (vfio_names.c) has these names and comes here. An
 * instance says which VM is its own when a VFIO file is given to a kvm-vfio
 * device of it, before VFIO hears of the VM, and takes it back with the device.
 * VFIO may hold the VM for longer than that; the VM has its place in the list until
 * both have let go.
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
	 * Of the list and all in it; leaf. VFIO holds another spinlock_t around it, so it is none
	 * that is taken with interrupts or preemption off: on PREEMPT_RT both may sleep.
	 */
	spinlock_t lock;
	struct list_head vms;
} vfio = {
	.lock = __SPIN_LOCK_UNLOCKED(vfio.lock),
	.vms = LIST_HEAD_INIT(vfio.vms),
};

/* Each VM in the list holds one reference to the names: they stay while VFIO may ask. */
#define NAME "kvm_put_kvm"

static struct vac_vm *find(struct kvm *kvm)
{
	struct vac_vm *vm;

	list_for_each_entry(vm, &vfio.vms, vfio_link)
		if (vm->desc.kvm == kvm)
			return vm;
	return NULL;
}

/* Under the lock; afterwards the names may go. */
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
 * vac_vfio_add() - VFIO is about to hear of a VM.
 * @vm: the VM. It may be there already.
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
 * vac_vfio_del() - VFIO hears of a VM no more; what it holds it goes on holding.
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
 * It pins the module as well: once the VM's files are closed nothing else does,
 * and vac_vfio_put() is still to return through its code.
 *
 * Context: any but interrupts.
 * Return: false if the VM is on its way out, or, with one line in the log, if no
 * instance has said that it is its own.
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
 * Context: process context; sleeps where that ends the VM.
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
		/* Before the VM goes: the next one may have its address. */
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

/* For debugfs: a line a VM. */
void vac_vfio_show(struct seq_file *m)
{
	struct vac_vm *vm;

	spin_lock(&vfio.lock);
	list_for_each_entry(vm, &vfio.vms, vfio_link)
		seq_printf(m, "instance=%s added=%d references=%u\n", vm->inst->desc.tag,
			   vm->vfio_added, vm->vfio_references);
	spin_unlock(&vfio.lock);
}
