// SPDX-License-Identifier: GPL-2.0-only
/*
 * srso.c - BP_SPEC_REDUCE (hazard 12): on CPUs with SRSO_BP_SPEC_REDUCE this bit
 * keeps guests from steering what their host speculates. It costs the host some
 * speed, so it is set on a CPU before the first guest is entered there, and
 * cleared everywhere when the last VM is gone: the last of all instances.
 *
 * An instance calls this only where it finds the feature. Unlike the stock KVM,
 * vac clears the bit when a CPU goes offline and before a suspend: what the MSR
 * holds afterwards is not certain, and the next guest there sets it again.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/smp.h>
#include <asm/msr.h>

#include "internal.h"
#include "trace.h"

/* A new VM waits until the bit is cleared: its vCPUs would set it meanwhile. */
static struct {
	struct mutex lock;	/* of the counts, and while the bit is cleared; leaf */
	unsigned int vms;	/* of all instances */
} srso = {
	.lock = __MUTEX_INITIALIZER(srso.lock),
};

/* What this CPU's MSR_ZEN4_BP_CFG says. Only its CPU writes it. */
DEFINE_PER_CPU(bool, vac_svm_srso_reduced);
VAC_EXPORT(vac_svm_srso_reduced);

static void reduce(bool on)
{
	u64 config;

	rdmsrl(MSR_ZEN4_BP_CFG, config);
	if (on)
		config |= BIT_ULL(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	else
		config &= ~BIT_ULL(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	wrmsrl(MSR_ZEN4_BP_CFG, config);
	this_cpu_write(vac_svm_srso_reduced, on);
	trace_vac_svm_srso(on);
}

/* On this CPU, where no guest may run until the bit is set again; interrupts off. */
void vac_srso_cpu_off(void)
{
	if (this_cpu_read(vac_svm_srso_reduced))
		reduce(false);
}

static void clear_ipi(void *unused)
{
	vac_srso_cpu_off();
}

/**
 * vac_svm_srso_get() - A VM was made: from now on its vCPUs may set the bit.
 * @inst: its instance.
 *
 * Context: process context; takes a lock of its own, a leaf.
 */
void vac_svm_srso_get(struct vac_instance *inst)
{
	mutex_lock(&srso.lock);
	inst->srso_vms++;
	srso.vms++;
	mutex_unlock(&srso.lock);
}
VAC_EXPORT(vac_svm_srso_get);

/**
 * vac_svm_srso_put() - A VM is gone; the last of all clears the bit on all CPUs.
 * @inst: its instance.
 *
 * Context: process context, interrupts on; takes a lock of its own, a leaf.
 */
void vac_svm_srso_put(struct vac_instance *inst)
{
	mutex_lock(&srso.lock);
	if (!WARN_ON_ONCE(!inst->srso_vms)) {
		inst->srso_vms--;
		if (!--srso.vms)
			on_each_cpu(clear_ipi, NULL, 1);
	}
	mutex_unlock(&srso.lock);
}
VAC_EXPORT(vac_svm_srso_put);

/**
 * vac_svm_srso_reduce() - Set the bit on this CPU, before a guest is entered.
 *
 * When the machine goes down, vCPUs may still be loaded after virtualization went
 * off. The kernel that a kexec enters would inherit the bit, so it stays clear then.
 *
 * Context: preemption off, between vac_svm_srso_get() and _put() of the VM.
 */
void vac_svm_srso_reduce(void)
{
	unsigned long flags;

	/* switch_down() of virt.c may come as an IPI. */
	local_irq_save(flags);
	if (this_cpu_read(vac_cpu.on))
		reduce(true);
	local_irq_restore(flags);
}
VAC_EXPORT(vac_svm_srso_reduce);
