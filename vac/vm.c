// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - VMs: each has a number that is never given out twice, and an instance.
 *
 * What belongs to a VM and not to its instance is kept here: vCPUs, VFIO's
 * references, who made it. The VM points to its instance, so that one day it may
 * change its instance and keep its number.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/xarray.h>

#include "internal.h"

/*
 * By number. Writers are vac_vm_add() and _del(); read under RCU, from NMIs as well: a VM is
 * freed a grace period after it left.
 */
static DEFINE_XARRAY(vms);

/**
 * vac_vm_add() - A VM is created: virtualization is on until vac_vm_del().
 * @inst: its instance.
 * @desc: what it is; copied.
 *
 * Context: process context of its creator; takes vac.lock and cpus_read_lock().
 * Return: a handle, or ERR_PTR: -ESHUTDOWN (the instance is closed), -EBUSY (the
 * machine goes down), -EIO (a CPU could not be switched on), each with one line in
 * the log; -ENOMEM; or -EINVAL where something is missing in @desc.
 */
struct vac_vm *vac_vm_add(struct vac_instance *inst, const struct vac_vm_desc *desc)
{
	static atomic64_t numbers;
	struct vac_vm *vm;
	int r;

	if (WARN_ON_ONCE(!vac_is_whole(desc, kvm)))
		return ERR_PTR(-EINVAL);
	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	vac_copy_sized(&vm->desc, desc);
	vm->inst = inst;
	vm->instance = inst->id;
	vm->number = atomic64_inc_return(&numbers);
	vm->pid = task_tgid_nr(current);
	vm->since = ktime_get_real_seconds();
	INIT_LIST_HEAD(&vm->vfio_link);
	r = vac_sysfs_add_vm(vm);
	if (r)
		goto put;
	r = xa_err(xa_store(&vms, vm->number, vm, GFP_KERNEL_ACCOUNT));
	if (r)
		goto hide;
	/* Last: who closes an instance and then reads sysfs sees each VM that was still created. */
	r = vac_virt_get_vm(inst);
	if (!r)
		return vm;
	xa_erase(&vms, vm->number);
hide:
	kobject_del(&vm->kobj);
put:
	kobject_put(&vm->kobj);
	return ERR_PTR(r);
}
VAC_EXPORT(vac_vm_add);

/**
 * vac_vm_del() - A VM is gone. Its number stays used.
 * @vm: the handle; invalid afterwards. It has no vCPU, and VFIO no reference.
 *
 * Context: process context; takes vac.lock and cpus_read_lock(); waits for readers
 * of the VM's files in sysfs.
 */
void vac_vm_del(struct vac_vm *vm)
{
	struct vac_instance *inst = vm->inst;

	WARN_ON_ONCE(atomic_read(&vm->vcpus) || !list_empty(&vm->vfio_link));
	xa_erase(&vms, vm->number);
	kobject_del(&vm->kobj);		/* now; the release may come later */
	kobject_put(&vm->kobj);
	vac_virt_put_vm(inst);
}
VAC_EXPORT(vac_vm_del);

/**
 * vac_vm_on_cpu() - Whose vCPU was loaded last on a CPU.
 * @cpu: the CPU; false for one that is not possible.
 * @number: of the VM.
 * @instance: its instance's number, that of instances/<tag>/number.
 *
 * For traces and accounting. Only its instance knows whether the vCPU is still
 * loaded. The answer stays when virtualization or the CPU is switched off. The two
 * numbers belong together; about another CPU they may be out of date at once.
 *
 * Context: any, NMI included.
 * Return: false if nobody was loaded there since virtualization was switched on last, or
 * the VM is gone.
 */
bool vac_vm_on_cpu(unsigned int cpu, u64 *number, u32 *instance)
{
	struct vac_vm *vm;
	u64 last;

	if (cpu >= nr_cpu_ids || !cpu_possible(cpu))
		return false;
	last = READ_ONCE(per_cpu(vac_cpu.vm, cpu));
	rcu_read_lock();
	vm = last ? xa_load(&vms, last) : NULL;
	if (vm) {
		*number = last;
		*instance = READ_ONCE(vm->instance);
	}
	rcu_read_unlock();
	return vm;
}
VAC_EXPORT(vac_vm_on_cpu);
