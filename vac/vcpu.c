// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.c - what a CPU remembers: who was loaded here last.
 *
 * KVM remembers things about each CPU: the VMCS or VMCB it loaded, the ASID
 * generation, whether the branch predictor was trained by the vCPU that comes
 * next. With two KVMs each of these may be out of date. One word per CPU
 * decides: the number of the vCPU that was loaded last. Numbers are 64 bits wide
 * and never given out twice, so the word may outlive vCPU and instance, and no
 * pointer is ever compared. Between load and put nobody else touches the CPU's
 * virtualization state: the exit path reads a copy that the instance took at load.
 *
 * The word itself is exported, so that an instance compares it without a call:
 * that it is 64 bits on each CPU is part of the interface.
 */
#include <linux/module.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/*
 * The vCPU that was loaded last, 0: nobody since virtualization was switched
 * on here. Only its CPU writes it.
 */
DEFINE_PER_CPU(u64, vac_last_vcpu);
VAC_EXPORT(vac_last_vcpu);

/**
 * vac_vcpu_add() - A number for a new vCPU.
 * @vm: its VM.
 *
 * Context: any.
 * Return: the number, never 0, never given out again.
 */
u64 vac_vcpu_add(struct vac_vm *vm)
{
	static atomic64_t numbers;

	atomic_inc(&vm->vcpus);
	atomic_inc(&vm->inst->vcpus);
	return atomic64_inc_return(&numbers);
}
VAC_EXPORT(vac_vcpu_add);

/**
 * vac_vcpu_del() - A vCPU is gone. Its number stays used.
 * @vm: its VM.
 *
 * Context: any.
 */
void vac_vcpu_del(struct vac_vm *vm)
{
	atomic_dec(&vm->inst->vcpus);
	atomic_dec(&vm->vcpus);
}
VAC_EXPORT(vac_vcpu_del);

/* What few switches need; out of line, so that the others save no registers for it. */
static noinline int switch_slowly(struct vac_vm *vm, u64 vcpu)
{
	struct vac_cpu *c = this_cpu_ptr(&vac_cpu);
	enum vac_last last = c->last_instance == vm->instance ? VAC_LAST_INSTANCE : VAC_LAST_OTHER;
	struct vac_instance *inst = vm->inst;

	c->count[last]++;
	if (last == VAC_LAST_OTHER) {
		c->last_instance = inst->id;
		/* Reset what the other's guest left and this one may never write. */
		vac_uret_change_instance();
		vac_svm_change_instance();
		WRITE_ONCE(c->asked, inst);
	}
	trace_vac_vcpu_switch(inst->desc.tag, inst->id, vm->number, vcpu, last);
	return last;
}

/**
 * vac_vcpu_switch() - Another vCPU than before is loaded on this CPU.
 * @vm: its VM.
 * @vcpu: its number, from vac_vcpu_add().
 *
 * Called when vac_vcpu_is_last() returned false. When the instance changes,
 * user-return MSRs go back to the host's values and the TSC ratio to 1.0. The
 * branch-predictor barrier depends on whether this was called (hazard 11). From
 * here on the vCPU's instance answers an NMI that asks whether a guest runs on
 * this CPU (hazard 16).
 *
 * Context: preemption off. Takes no lock.
 * Return: an enum vac_last.
 */
noinline int vac_vcpu_switch(struct vac_vm *vm, u64 vcpu)
{
	this_cpu_write(vac_last_vcpu, vcpu);
	this_cpu_write(vac_cpu.vm, vm->number);
	if (this_cpu_read(vac_cpu.last_instance) != vm->instance ||
	    trace_vac_vcpu_switch_enabled())
		return switch_slowly(vm, vcpu);
	this_cpu_inc(vac_cpu.count[VAC_LAST_INSTANCE]);
	return VAC_LAST_INSTANCE;
}
VAC_EXPORT(vac_vcpu_switch);
