// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf.c - hazard 16: perf has one slot for "was a guest running here?".
 *
 * vac holds the slot and asks the instance whose vCPU was loaded last on this
 * CPU; that instance knows whether it is still loaded. It cannot go away under
 * an NMI: vac_instance_unregister() removes it from every CPU's record and then
 * waits for a grace period, which does not end before an NMI that saw the pointer.
 */
#include <linux/module.h>
#include <linux/perf_event.h>

#include "internal.h"

/* NMI context. */
static unsigned int guest_state(void)
{
	struct vac_instance *inst = this_cpu_read(vac_cpu.asked);
	unsigned int (*state)(void) = inst ? READ_ONCE(inst->perf.state) : NULL;

	return state ? state() : 0;
}

static unsigned long guest_get_ip(void)
{
	struct vac_instance *inst = this_cpu_read(vac_cpu.asked);
	unsigned long (*get_ip)(void) = inst ? READ_ONCE(inst->perf.get_ip) : NULL;

	return get_ip ? get_ip() : 0;
}

/* 0 leaves the interrupt to the host, as without any KVM. */
static unsigned int guest_pt_intr(void)
{
	struct vac_instance *inst = this_cpu_read(vac_cpu.asked);
	unsigned int (*pt_intr)(void) = inst ? READ_ONCE(inst->perf.pt_intr) : NULL;

	return pt_intr ? pt_intr() : 0;
}

static struct perf_guest_info_callbacks callbacks = {
	.state = guest_state,
	.get_ip = guest_get_ip,
	.handle_intel_pt_intr = guest_pt_intr,
};

/**
 * vac_perf_register() - Tell vac how to ask an instance about its guest.
 * @inst: the instance.
 * @ops: how; copied.
 *
 * Context: process context, before the first vCPU: no NMI asks yet.
 * Return: 0, or -EINVAL where @ops is shorter than it was in 1.0. No vac may fail otherwise:
 * instances ignore the result.
 */
int vac_perf_register(struct vac_instance *inst, const struct vac_perf_ops *ops)
{
	if (WARN_ON_ONCE(!vac_is_whole(ops, pt_intr)))
		return -EINVAL;
	vac_copy_sized(&inst->perf, ops);
	return 0;
}
VAC_EXPORT(vac_perf_register);

/**
 * vac_perf_unregister() - The reverse.
 * @inst: the instance; none of its vCPUs is loaded.
 *
 * Context: process context. vac_instance_unregister() waits for NMIs.
 */
void vac_perf_unregister(struct vac_instance *inst)
{
	WRITE_ONCE(inst->perf.state, NULL);
	WRITE_ONCE(inst->perf.get_ip, NULL);
	WRITE_ONCE(inst->perf.pt_intr, NULL);
}
VAC_EXPORT(vac_perf_unregister);

void __init vac_perf_init(void)
{
	perf_register_guest_info_callbacks(&callbacks);
}

void vac_perf_exit(void)
{
	perf_unregister_guest_info_callbacks(&callbacks);
}
