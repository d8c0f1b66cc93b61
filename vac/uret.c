// SPDX-License-Identifier: GPL-2.0-only
/*
 * uret.c - hazard 9: MSRs that keep a guest's value until the return to user
 * space (STAR, LSTAR, TSC_AUX, TSX_CTRL, ...).
 *
 * The host's value of such an MSR can be read only while no guest's is in it.
 * So there is one table for all instances: an MSR has one slot, for good. It is
 * sampled when its slot is made, when no instance has written it yet, and
 * whenever virtualization comes on for a CPU. Slots do not run out: the same MSR
 * asked for by any number of instances is one slot, and KVM knows about ten.
 *
 * Behaviour towards the hardware is that of kvm_set_user_return_msr() and
 * kvm_on_user_return() of arch/x86/kvm/x86.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <linux/user-return-notifier.h>
#include <asm/msr.h>

#include "internal.h"

#define SLOTS_MAX	64

struct uret_cpu {
	struct user_return_notifier urn;
	bool registered;
	struct {
		u64 host;
		u64 current_value;
	} values[SLOTS_MAX];
};

static struct {
	struct mutex lock;		/* writers of the table; leaf */
	unsigned int count;
	u32 msrs[SLOTS_MAX];
} uret = { .lock = __MUTEX_INITIALIZER(uret.lock) };

static DEFINE_PER_CPU(struct uret_cpu, uret_cpu);

static void restore_host(struct uret_cpu *c)
{
	unsigned int slot, count = READ_ONCE(uret.count);

	for (slot = 0; slot < count; slot++) {
		if (c->values[slot].host == c->values[slot].current_value)
			continue;
		wrmsrl(uret.msrs[slot], c->values[slot].host);
		c->values[slot].current_value = c->values[slot].host;
	}
}

/* Return to user space, or cpu_off() by IPI, which may interrupt the former. */
static void on_user_return(struct user_return_notifier *urn)
{
	struct uret_cpu *c = container_of(urn, struct uret_cpu, urn);
	unsigned long flags;

	local_irq_save(flags);
	if (c->registered) {
		c->registered = false;
		user_return_notifier_unregister(urn);
	}
	local_irq_restore(flags);
	restore_host(c);
}

static void sample(struct uret_cpu *c, unsigned int slot)
{
	u64 value = 0;

	rdmsrl_safe(uret.msrs[slot], &value);
	c->values[slot].host = value;
	c->values[slot].current_value = value;
}

static void sample_ipi(void *data)
{
	if (this_cpu_read(vac_cpu.on))
		sample(this_cpu_ptr(&uret_cpu), *(unsigned int *)data);
}

/* An MSR that exists but cannot be written back is of no use here. */
static bool usable(u32 msr)
{
	unsigned long flags;
	u64 value;
	int r;

	local_irq_save(flags);
	r = rdmsrl_safe(msr, &value);
	if (!r)
		r = wrmsrl_safe(msr, value);
	local_irq_restore(flags);
	return !r;
}

/**
 * vac_uret_add() - The slot of an MSR that is restored on the way to user space.
 * @msr: its index.
 *
 * Context: process context; takes the table's mutex and cpus_read_lock().
 * Return: the slot, the same for every caller that names @msr; -EIO if the CPU
 * does not have the MSR; -ENOSPC.
 */
int vac_uret_add(u32 msr)
{
	unsigned int slot;
	int r;

	mutex_lock(&uret.lock);
	for (slot = 0; slot < uret.count; slot++)
		if (uret.msrs[slot] == msr) {
			r = slot;
			goto unlock;
		}
	r = -ENOSPC;
	if (slot == SLOTS_MAX) {
		vac_refused("vac", "uret-slots");
		pr_err("no slot for MSR %#x, all %d are taken\n", msr, SLOTS_MAX);
		goto unlock;
	}
	r = -EIO;
	if (!usable(msr))
		goto unlock;
	cpus_read_lock();
	uret.msrs[slot] = msr;
	/*
	 * Published before it is sampled: a CPU that is on takes the IPI, one
	 * that comes on meanwhile samples it itself. Until then both values of
	 * the slot are equal and a return to user space writes nothing.
	 */
	WRITE_ONCE(uret.count, slot + 1);
	on_each_cpu(sample_ipi, &slot, 1);
	cpus_read_unlock();
	r = slot;
unlock:
	mutex_unlock(&uret.lock);
	return r;
}
VAC_EXPORT(vac_uret_add);

/**
 * vac_uret_host() - The host's value of an MSR on the CPU that asks.
 * @msr: its index.
 * @value: where it goes; untouched on error.
 *
 * A guest's value stays in such an MSR until the CPU returns to user space, and
 * another task may load an instance there meanwhile: what RDMSR gives it then
 * is not the host's. An MSR that has no slot holds a guest's value only between
 * VM entry and VM exit, interrupts off.
 *
 * Context: process context; takes the table's mutex, so that a slot which is
 * being made is either not there or sampled.
 * Return: 0, or -EIO if the CPU does not have the MSR.
 */
int vac_uret_host(u32 msr, u64 *value)
{
	unsigned int slot;
	int r = 0;

	mutex_lock(&uret.lock);
	preempt_disable();
	for (slot = 0; slot < uret.count; slot++)
		if (uret.msrs[slot] == msr)
			break;
	/* With virtualization off the MSR has the host's value: vac_uret_cpu_off() restored it. */
	if (slot < uret.count && this_cpu_read(vac_cpu.on))
		*value = this_cpu_ptr(&uret_cpu)->values[slot].host;
	else
		r = rdmsrl_safe(msr, value);
	preempt_enable();
	mutex_unlock(&uret.lock);
	return r;
}
VAC_EXPORT(vac_uret_host);

/*
 * The first write since the last return to user space. Out of line, so that the many
 * writes that follow do not save and restore a register for it.
 */
static noinline void restore_on_return(struct uret_cpu *c)
{
	c->urn.on_user_return = on_user_return;
	user_return_notifier_register(&c->urn);
	c->registered = true;
}

/**
 * vac_uret_set() - Write such an MSR until the CPU returns to user space.
 * @slot: from vac_uret_add().
 * @value: the guest's value.
 * @mask: its bits; the others stay the host's.
 *
 * A guest's write of such an MSR is a VM exit that comes here: hence no tracing
 * prologue, and a slot number of register width.
 *
 * Context: preemption off, this CPU.
 * Return: 0, or 1 where the CPU refuses the value.
 */
int notrace vac_uret_set(unsigned long slot, u64 value, u64 mask)
{
	struct uret_cpu *c = this_cpu_ptr(&uret_cpu);

	value = (value & mask) | (c->values[slot].host & ~mask);
	if (value == c->values[slot].current_value)
		return 0;
	if (wrmsrl_safe(uret.msrs[slot], value))
		return 1;
	c->values[slot].current_value = value;
	if (!c->registered)
		restore_on_return(c);
	return 0;
}
VAC_EXPORT(vac_uret_set);

/*
 * Another instance's vCPU is loaded, preemption off: it sets only the MSRs that it
 * knows. One that only the instance before knew must hold the host's value.
 */
void vac_uret_change_instance(void)
{
	restore_host(this_cpu_ptr(&uret_cpu));
}

void vac_uret_cpu_on(void)
{
	unsigned int slot, count = READ_ONCE(uret.count);

	for (slot = 0; slot < count; slot++)
		sample(this_cpu_ptr(&uret_cpu), slot);
}

void vac_uret_cpu_off(void)
{
	struct uret_cpu *c = this_cpu_ptr(&uret_cpu);

	if (c->registered)
		on_user_return(&c->urn);
}

bool vac_uret_registered(unsigned int cpu)
{
	return READ_ONCE(per_cpu(uret_cpu.registered, cpu));
}

unsigned int vac_uret_slots(void)
{
	return READ_ONCE(uret.count);
}

u32 vac_uret_read(unsigned int slot, unsigned int cpu, u64 *host, u64 *current_value)
{
	struct uret_cpu *c = per_cpu_ptr(&uret_cpu, cpu);

	*host = READ_ONCE(c->values[slot].host);
	*current_value = READ_ONCE(c->values[slot].current_value);
	return uret.msrs[slot];
}
