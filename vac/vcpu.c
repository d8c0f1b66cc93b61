// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.c - what a CPU remembers: who was loaded here last.
 *
 * KVM keeps beliefs about each CPU: the VMCS or VMCB it loaded, the ASID
 * generation, whether the branch predictor was trained by the vCPU that comes
 * next. With two KVMs each may be wrong. One word per CPU decides: the number
 * of the vCPU that was loaded last. Numbers are 64 bits wide and never given
 * out twice, so the word may outlive vCPU and instance, and no pointer is ever
 * compared. Between load and put nobody else touches the CPU's virtualization
 * state: what the exit path reads is a copy that the instance took at load.
 */
#include <linux/module.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * vac_vcpu_add() - A number for a new vCPU.
 * @inst: its instance.
 *
 * Context: any.
 * Return: the number, never 0, never given out again.
 */
u64 vac_vcpu_add(struct vac_instance *inst)
{
	static atomic64_t numbers;

	atomic_inc(&inst->vcpus);
	return atomic64_inc_return(&numbers);
}
VAC_EXPORT(vac_vcpu_add);

/**
 * vac_vcpu_del() - A vCPU is gone. Its number stays used.
 * @inst: its instance.
 *
 * Context: any.
 */
void vac_vcpu_del(struct vac_instance *inst)
{
	atomic_dec(&inst->vcpus);
}
VAC_EXPORT(vac_vcpu_del);

/**
 * vac_vcpu_load() - A vCPU is loaded on this CPU.
 * @inst: its instance.
 * @vcpu: its number, from vac_vcpu_add().
 *
 * User-return MSRs go back to the host's values when the instance changes.
 * "Not the same vCPU" is what decides the branch-predictor barrier (hazard 11).
 * From here to vac_vcpu_put() an NMI that wants to know whether a guest runs
 * here is told by this instance (hazard 16).
 *
 * Context: preemption off. Takes nothing.
 * Return: who was loaded here before.
 */
enum vac_last vac_vcpu_load(struct vac_instance *inst, u64 vcpu)
{
	struct vac_cpu *c = this_cpu_ptr(&vac_cpu);
	enum vac_last last = VAC_LAST_VCPU;

	if (c->last_vcpu != vcpu) {
		last = c->last_instance == inst->id ? VAC_LAST_INSTANCE : VAC_LAST_OTHER;
		c->last_vcpu = vcpu;
		c->last_instance = inst->id;
	}
	c->count[last]++;
	if (last == VAC_LAST_OTHER)
		vac_uret_change_instance();
	WRITE_ONCE(c->loaded, inst);
	trace_vac_vcpu_load(inst->desc.tag, vcpu, last);
	return last;
}
VAC_EXPORT(vac_vcpu_load);

/**
 * vac_vcpu_put() - The vCPU that is loaded on this CPU leaves it.
 *
 * Context: preemption off.
 */
void vac_vcpu_put(void)
{
	this_cpu_write(vac_cpu.loaded, NULL);
}
VAC_EXPORT(vac_vcpu_put);
