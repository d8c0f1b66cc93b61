// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmx.c - what an Intel CPU has once.
 *
 * VMXON, the current VMCS and VPIDs are not mediated yet: the capabilities say
 * so, and no instance is admitted on such a machine. The slots that the kernel
 * offers to one KVM only are held here already: the emergency callback (hazard
 * 3) and the posted-interrupt wakeup vector (hazard 14).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/rculist.h>
#include <asm/irq.h>
#include <asm/reboot.h>
#include <asm/virtext.h>

#include "internal.h"

/*
 * Crash or emergency reboot, on each CPU, possibly in NMI context, interrupts
 * off: every instance clears its VMCSs here before VMX goes off, else their
 * write-back would hit memory of the crash kernel.
 */
static void emergency(void)
{
	struct vac_instance *inst;

	list_for_each_entry_rcu(inst, &vac.instances, link, true) {
		void (*clear)(void) = READ_ONCE(inst->emergency_clear);

		if (clear)
			clear();
	}
	__cpu_emergency_vmxoff();
}

/* The wakeup vector's handler, hard IRQ: each instance walks its own lists. */
static void pi_wakeup(void)
{
	struct vac_instance *inst;

	rcu_read_lock();
	list_for_each_entry_rcu(inst, &vac.instances, link) {
		void (*wakeup)(void) = READ_ONCE(inst->pi_wakeup);

		if (wakeup)
			wakeup();
	}
	rcu_read_unlock();
}

/**
 * vac_vmx_emergency_register() - How an instance clears its VMCSs of a CPU.
 * @inst: the instance.
 * @clear: called on the CPU, crash path, NMI-safe, takes no lock.
 *
 * Context: process context.
 */
void vac_vmx_emergency_register(struct vac_instance *inst, void (*clear)(void))
{
	WRITE_ONCE(inst->emergency_clear, clear);
}
VAC_EXPORT(vac_vmx_emergency_register);

/**
 * vac_vmx_emergency_unregister() - The reverse.
 * @inst: the instance.
 *
 * Context: process context; waits until no crash path runs the callback.
 */
void vac_vmx_emergency_unregister(struct vac_instance *inst)
{
	WRITE_ONCE(inst->emergency_clear, NULL);
	synchronize_rcu();
}
VAC_EXPORT(vac_vmx_emergency_unregister);

/**
 * vac_vmx_pi_wakeup_register() - How an instance wakes its blocked vCPUs.
 * @inst: the instance; its per-CPU lists are ready.
 * @wakeup: called in hard IRQ context.
 *
 * Context: process context.
 */
void vac_vmx_pi_wakeup_register(struct vac_instance *inst, void (*wakeup)(void))
{
	WRITE_ONCE(inst->pi_wakeup, wakeup);
}
VAC_EXPORT(vac_vmx_pi_wakeup_register);

/**
 * vac_vmx_pi_wakeup_unregister() - The reverse.
 * @inst: the instance.
 *
 * Context: process context; waits for interrupts under way.
 */
void vac_vmx_pi_wakeup_unregister(struct vac_instance *inst)
{
	WRITE_ONCE(inst->pi_wakeup, NULL);
	synchronize_rcu();
}
VAC_EXPORT(vac_vmx_pi_wakeup_unregister);

static int setup(void)
{
	cpu_emergency_register_virt_callback(emergency);
	kvm_set_posted_intr_wakeup_handler(pi_wakeup);
	return 0;
}

static void teardown(void)
{
	kvm_set_posted_intr_wakeup_handler(NULL);
	cpu_emergency_unregister_virt_callback(emergency);
	synchronize_rcu();
}

/* Unreachable through an instance: none is admitted without VAC_CAP_VMX. */
static int cpu_on(void)
{
	return -EOPNOTSUPP;
}

static void cpu_off(void)
{
}

const struct vac_vendor vac_vendor_vmx = {
	.name = "intel",
	.capabilities = 0,
	.setup = setup,
	.teardown = teardown,
	.cpu_on = cpu_on,
	.cpu_off = cpu_off,
};
