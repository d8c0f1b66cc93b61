// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio.c - VFIO's references to VMs (hazard 21): each goes to the instance whose
 * VM it is, and pins that.
 *
 * VFIO looks kvm_get_kvm_safe() and kvm_put_kvm() up by name, so a machine has
 * one of each. vac-vfio.ko (vfio_names.c) has these names and comes here. An
 * instance says which VM is its own when a VFIO file is given to a kvm-vfio
 * device of it, before VFIO hears of the VM, and takes it back with the device.
 * VFIO may hold the VM for longer than that.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "internal.h"

/**
 * struct vm - a VM that VFIO knows, or may hear of.
 * @link: in vfio.vms.
 * @inst: the instance whose it is; files of the VM pin its module, and VFIO does.
 * @kvm: whose address is all that vac knows of it.
 * @get: adds a reference, unless the last is gone.
 * @put: drops one, which may be the last.
 * @added: between vac_vfio_add() and vac_vfio_del().
 * @references: VFIO's. The VM is forgotten with the last, if not @added.
 */
struct vm {
	struct list_head link;
	struct vac_instance *inst;
	struct kvm *kvm;
	bool (*get)(struct kvm *kvm);
	void (*put)(struct kvm *kvm);
	bool added;
	unsigned int references;
};

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

static struct vm *find(struct kvm *kvm)
{
	struct vm *vm;

	list_for_each_entry(vm, &vfio.vms, link)
		if (vm->kvm == kvm)
			return vm;
	return NULL;
}

/* Under the lock; afterwards the names may go. */
static void forget(struct vm *vm)
{
	list_del(&vm->link);
	kfree(vm);
	__symbol_put(NAME);
}

/* True if the VM is in the list already. */
static bool add_again(struct kvm *kvm)
{
	struct vm *vm = find(kvm);

	if (vm)
		vm->added = true;
	return vm;
}

/**
 * vac_vfio_add() - VFIO is about to hear of a VM.
 * @inst: the instance whose it is.
 * @kvm: the VM, for its address only. It may be there already.
 * @get: kvm_get_kvm_safe() of the instance; any context.
 * @put: kvm_put_kvm() of the instance; process context.
 *
 * Context: process context; may load vac-vfio.ko.
 * Return: 0, -ENOMEM, or -ENOENT with one line in the log if vac-vfio.ko is not
 * there.
 */
int vac_vfio_add(struct vac_instance *inst, struct kvm *kvm, bool (*get)(struct kvm *kvm),
		 void (*put)(struct kvm *kvm))
{
	struct vm *vm;
	bool known;

	spin_lock(&vfio.lock);
	known = add_again(kvm);
	spin_unlock(&vfio.lock);
	if (known)
		return 0;
	if (!try_then_request_module(__symbol_get(NAME), "vac-vfio")) {
		pr_err_ratelimited("kvm_%s: VFIO cannot be told of its VM: the module vac-vfio is not there and was not found; load it: modprobe vac-vfio\n",
				   inst->desc.tag);
		return -ENOENT;
	}
	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm) {
		__symbol_put(NAME);
		return -ENOMEM;
	}
	vm->inst = inst;
	vm->kvm = kvm;
	vm->get = get;
	vm->put = put;
	vm->added = true;

	spin_lock(&vfio.lock);
	known = add_again(kvm);
	if (!known)
		list_add(&vm->link, &vfio.vms);
	spin_unlock(&vfio.lock);
	if (known) {
		kfree(vm);
		__symbol_put(NAME);
	}
	return 0;
}
VAC_EXPORT(vac_vfio_add);

/**
 * vac_vfio_del() - VFIO hears of a VM no more; what it holds it goes on holding.
 * @inst: the instance whose it is.
 * @kvm: the VM; nothing happens if vac_vfio_add() was not called for it.
 *
 * Context: any but interrupts.
 */
void vac_vfio_del(struct vac_instance *inst, struct kvm *kvm)
{
	struct vm *vm;

	spin_lock(&vfio.lock);
	vm = find(kvm);
	if (vm && !WARN_ON_ONCE(vm->inst != inst)) {
		vm->added = false;
		if (!vm->references)
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
	struct vm *vm;

	spin_lock(&vfio.lock);
	vm = find(kvm);
	if (vm && try_module_get(vm->inst->desc.owner)) {
		got = vm->get(kvm);
		if (got)
			vm->references++;
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
	struct vm *vm;

	spin_lock(&vfio.lock);
	vm = find(kvm);
	if (vm && vm->references) {
		put = vm->put;
		owner = vm->inst->desc.owner;
		vm->references--;
		/* Before the VM goes: the next one may have its address. */
		if (!vm->references && !vm->added)
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
	struct vm *vm;

	spin_lock(&vfio.lock);
	list_for_each_entry(vm, &vfio.vms, link)
		seq_printf(m, "instance=%s added=%d references=%u\n", vm->inst->desc.tag,
			   vm->added, vm->references);
	spin_unlock(&vfio.lock);
}
