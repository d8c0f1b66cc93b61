// SPDX-License-Identifier: GPL-2.0-only
/*
 * virt.c - hazards 1 and 2: virtualization on each CPU, and the hooks of CPU hotplug.
 *
 * Every online CPU has virtualization on exactly while some instance has a
 * VM. vac holds the only hotplug, suspend and reboot hooks. On the way up it
 * switches the CPU on and then tells each instance that has VMs; on the way
 * down the other way round. cpu_enable() and cpu_disable() do only what concerns
 * their instance: its first VM must not disturb a CPU on which another instance's
 * vCPU is loaded, so all that is shared is done here, once.
 *
 * All per-CPU steps are idempotent. That is what makes suspend safe: it may
 * find a kernel thread preempted in the middle of vac_virt_get() or _put(),
 * with users changed and the CPUs not yet, or the reverse.
 *
 * When the machine goes down, virtualization goes off for good: see shut_down().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/rculist.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "internal.h"

DEFINE_PER_CPU(struct vac_cpu, vac_cpu);

static int check_state;	/* the dynamic hotplug state of online_cpu() */
static bool off_for_good;	/* shut_down() was called; never false again */

/*
 * The machine reboots, halts, powers off or kexecs: system_state says so before shut_down() does.
 * A vac that is loaded after the hooks were called has only system_state to go by.
 */
static bool going_down(void)
{
	return READ_ONCE(off_for_good) || system_state == SYSTEM_HALT ||
	       system_state == SYSTEM_POWER_OFF || system_state == SYSTEM_RESTART;
}

/*
 * On the CPU, interrupts off, as all down to instance_off(). Nothing else switches a CPU on, so the
 * check here covers a VM, a CPU that comes online and a resume. It is of "off_for_good" and not of
 * system_state: until shut_down() instances rely on their instructions not to fault, so a CPU that
 * comes online meanwhile must have virtualization on.
 */
static int cpu_on(void)
{
	struct vac_cpu *c = this_cpu_ptr(&vac_cpu);
	int r;

	if (c->on)
		return 0;
	if (READ_ONCE(off_for_good))
		return -EBUSY;
	r = vac.vendor->cpu_on();
	if (r)
		return r;
	this_cpu_write(vac_last_vcpu, 0);
	c->last_instance = 0;
	WRITE_ONCE(c->vm, 0);
	c->on = true;
	vac_uret_cpu_on();
	return 0;
}

static void cpu_off(void)
{
	struct vac_cpu *c = this_cpu_ptr(&vac_cpu);

	if (!c->on)
		return;
	vac_uret_cpu_off();
	vac.vendor->cpu_off();
	c->on = false;
}

static int instance_on(struct vac_instance *inst)
{
	int cpu = smp_processor_id();
	int r;

	if (!this_cpu_read(vac_cpu.on))
		return -EIO;
	if (cpumask_test_cpu(cpu, inst->cpus))
		return 0;
	r = inst->desc.cpu_enable();
	if (r)
		pr_err_ratelimited("kvm_%s cannot be enabled on CPU %d: %d\n", inst->desc.tag,
				   cpu, r);
	else
		cpumask_set_cpu(cpu, inst->cpus);
	return r;
}

static void instance_off(struct vac_instance *inst)
{
	int cpu = smp_processor_id();

	if (cpumask_test_cpu(cpu, inst->cpus)) {
		inst->desc.cpu_disable();
		cpumask_clear_cpu(cpu, inst->cpus);
	}
}

struct request {
	struct vac_instance *inst;
	atomic_t failed;
};

static void cpu_on_ipi(void *data)
{
	struct request *request = data;

	if (cpu_on())
		atomic_inc(&request->failed);
}

static void cpu_off_ipi(void *unused)
{
	cpu_off();
}

static void instance_on_ipi(void *data)
{
	struct request *request = data;

	if (instance_on(request->inst))
		atomic_inc(&request->failed);
}

static void instance_off_ipi(void *data)
{
	instance_off(data);
}

static int refuse(struct vac_instance *inst, const char *reason, int error)
{
	vac_refused(module_name(inst->desc.owner), reason);
	return error;
}

static int refuse_going_down(struct vac_instance *inst)
{
	pr_notice_ratelimited("kvm_%s gets no VM: the machine goes down\n", inst->desc.tag);
	return refuse(inst, "going-down", -EBUSY);
}

static int refuse_closed(struct vac_instance *inst)
{
	pr_notice_ratelimited("kvm_%s gets no VM for %s[%d]: it is closed; echo 0 > /sys/kernel/vac/instances/%s/closed, or make it on another instance\n",
			      inst->desc.tag, current->comm, task_pid_nr(current), inst->desc.tag);
	return refuse(inst, "closed", -ESHUTDOWN);
}

/* VMS: 1 for a VM, 0 for the instance itself. */
static int get(struct vac_instance *inst, unsigned int vms)
{
	struct request request = { .inst = inst, .failed = ATOMIC_INIT(0) };
	bool down;

	if (going_down())
		return refuse_going_down(inst);
	mutex_lock(&vac.lock);
	if (vms && inst->closed) {
		mutex_unlock(&vac.lock);
		return refuse_closed(inst);
	}
	cpus_read_lock();
	if (!vac.users++)
		on_each_cpu(cpu_on_ipi, &request, 1);
	if (!inst->users++ && !atomic_read(&request.failed))
		on_each_cpu(instance_on_ipi, &request, 1);
	down = going_down();	/* shut_down() may have run meanwhile, or is about to */
	if (down || atomic_read(&request.failed)) {
		if (!--inst->users)
			on_each_cpu(instance_off_ipi, inst, 1);
		if (!--vac.users)
			on_each_cpu(cpu_off_ipi, NULL, 1);
	} else {
		inst->vms += vms;
	}
	cpus_read_unlock();
	mutex_unlock(&vac.lock);
	if (down)
		return refuse_going_down(inst);
	return atomic_read(&request.failed) ? refuse(inst, "cpu-failed", -EIO) : 0;
}

/**
 * vac_virt_get() - Keep virtualization on until vac_virt_put(), even without a VM.
 * @inst: the instance.
 *
 * The first user of all switches virtualization on for every CPU; the first of the
 * instance calls its cpu_enable() there. Each VM is a user by itself: see vac_vm_add().
 *
 * Context: process context; takes vac.lock and cpus_read_lock().
 * Return: 0, -EBUSY where the machine goes down, or -EIO where a CPU could not be
 * switched on: nothing changed, one line in the log.
 */
int vac_virt_get(struct vac_instance *inst)
{
	return get(inst, 0);
}
VAC_EXPORT(vac_virt_get);

/* The same for a VM; -ESHUTDOWN if the instance is closed. */
int vac_virt_get_vm(struct vac_instance *inst)
{
	return get(inst, 1);
}

static void put(struct vac_instance *inst, unsigned int vms)
{
	mutex_lock(&vac.lock);
	cpus_read_lock();
	inst->vms -= vms;
	if (!--inst->users)
		on_each_cpu(instance_off_ipi, inst, 1);
	if (!--vac.users)
		on_each_cpu(cpu_off_ipi, NULL, 1);
	cpus_read_unlock();
	mutex_unlock(&vac.lock);
}

/**
 * vac_virt_put() - The reverse of vac_virt_get().
 * @inst: the instance.
 *
 * Context: process context; takes vac.lock and cpus_read_lock().
 */
void vac_virt_put(struct vac_instance *inst)
{
	put(inst, 0);
}
VAC_EXPORT(vac_virt_put);

void vac_virt_put_vm(struct vac_instance *inst)
{
	put(inst, 1);
}

/* On the CPU, interrupts off, and no writer of the list can be running. */
static int switch_up(void)
{
	struct vac_instance *inst;
	int r, failed = 0;

	if (!READ_ONCE(vac.users))
		return 0;
	r = cpu_on();
	if (r)
		return r;
	list_for_each_entry_rcu(inst, &vac.instances, link, true)
		if (READ_ONCE(inst->users) && instance_on(inst))
			failed = -EIO;
	return failed;
}

static void switch_down(void)
{
	struct vac_instance *inst;

	list_for_each_entry_rcu(inst, &vac.instances, link, true)
		instance_off(inst);
	cpu_off();
}

/*
 * Hotplug, VAC_CPUHP_VIRT: on the CPU, early enough that no vCPU can be there.
 * Interrupts are off already, or this is the CPU's hotplug thread, which stays
 * on it. Not every kernel takes an error from here: online_cpu() reports it.
 */
static int starting_cpu(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	switch_up();
	local_irq_restore(flags);
	return 0;
}

static int dying_cpu(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	switch_down();
	local_irq_restore(flags);
	return 0;
}

/*
 * Hotplug, later, on the CPU's hotplug thread: here a CPU without
 * virtualization can still be kept from coming online, before a vCPU is
 * scheduled there and its VMRUN or VMLAUNCH faults. When the machine goes down
 * they may fault: every instance was told, and a kexec may need the CPU.
 */
static int online_cpu(unsigned int cpu)
{
	struct vac_instance *inst;

	if (!READ_ONCE(vac.users) || READ_ONCE(off_for_good))
		return 0;
	if (!per_cpu(vac_cpu.on, cpu))
		return -EIO;
	list_for_each_entry_rcu(inst, &vac.instances, link, true)
		if (READ_ONCE(inst->users) && !cpumask_test_cpu(cpu, inst->cpus))
			return -EIO;
	return 0;
}

/* Suspend and resume: one CPU left, interrupts off. */
static int suspend(void)
{
	switch_down();
	return 0;
}

static void resume(void)
{
	switch_up();
}

static void switch_down_ipi(void *unused)
{
	switch_down();
}

/*
 * The machine goes down: firmware may hang in VMX root mode, which also blocks the INIT that starts
 * a CPU, and the kernel that a kexec enters clears CR4.VMXE, which faults there. So virtualization
 * goes off on every CPU and stays off. Until here VMs run as before.
 *
 * Every instance is told first that its virtualization instructions may fault from now on: vCPU
 * threads go on, and may load a vCPU on a CPU right after its IPI. An instance that registers
 * later has no VM, and gets none.
 *
 * No lock of vac's is taken: its holder may sleep for any time, and this must not wait for that.
 * A concurrent vac_virt_get() is not missed, because "off_for_good" is set before the IPIs below
 * are sent: on each CPU cpu_on() runs either before the IPI, and is undone by it, or after, and
 * refuses.
 *
 * Process context. cpus_read_lock() is for the call from a notifier: a CPU that comes online sees
 * flag, rebooting() and IPI as one step. Otherwise it could read the flag before it is set and
 * not yet be in the mask of the IPI, or read it afterwards and run a vCPU before rebooting().
 */
static void shut_down(void)
{
	struct vac_instance *inst;

	cpus_read_lock();
	WRITE_ONCE(off_for_good, true);
	rcu_read_lock();
	list_for_each_entry_rcu(inst, &vac.instances, link)
		inst->desc.rebooting();
	rcu_read_unlock();
	on_each_cpu(switch_down_ipi, NULL, 1);
	cpus_read_unlock();
}

/*
 * Not a reboot notifier: those are called while user space still makes VMs, and before system_state
 * is set. An emergency restart and a panic call neither; the vendor's emergency callback is for
 * them.
 */
VAC_SYSCORE(vac_syscore, suspend, resume, shut_down);

/*
 * The kexec of 6.1 does not call the hooks of syscore. It is recognized by the string that it
 * passes to the reboot notifiers. That system_state is not set yet is safe because of
 * "off_for_good". Where the syscore hook follows, it finds nothing left to do.
 */
static int before_kexec(struct notifier_block *nb, unsigned long action, void *command)
{
	if (command && !strcmp(command, "kexec reboot"))
		shut_down();
	return NOTIFY_DONE;
}

/* The last of all notifiers. */
static struct notifier_block reboot_nb = { .notifier_call = before_kexec, .priority = INT_MIN };

int __init vac_virt_init(void)
{
	int r;

	r = cpuhp_setup_state_nocalls(VAC_CPUHP_VIRT, "vac/cpu:starting",
				      starting_cpu, dying_cpu);
	if (r) {
		pr_err("cannot take the KVM hotplug state: %d; is another KVM loaded?\n", r);
		return r;
	}
	check_state = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "vac/cpu:online",
						online_cpu, NULL);
	if (check_state < 0) {
		cpuhp_remove_state_nocalls(VAC_CPUHP_VIRT);
		return check_state;
	}
	vac_syscore_register(&vac_syscore);
	register_reboot_notifier(&reboot_nb);
	return 0;
}

void vac_virt_exit(void)
{
	unregister_reboot_notifier(&reboot_nb);
	vac_syscore_unregister(&vac_syscore);
	cpuhp_remove_state_nocalls(check_state);
	cpuhp_remove_state_nocalls(VAC_CPUHP_VIRT);
}
