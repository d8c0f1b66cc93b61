/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * instance.h - what vac needs of an instance, for one that is no KVM: its callbacks do nothing when
 * virtualization goes on or off.
 */
#ifndef INSTANCE_H
#define INSTANCE_H

#include <linux/module.h>
#include <vac.h>

static int nothing(void)
{
	return 0;
}

static void nothing_void(void)
{
}

/* Members of struct vac_instance_desc. */
#define INSTANCE(name)                                                                             \
	.size = sizeof(struct vac_instance_desc), .major = VAC_MAJOR, .owner = THIS_MODULE,        \
	.tag = name, .snapshot = "none", .snapshot_digest = "none", .rules_digest = "none",        \
	.patches = "none", .cpu_enable = nothing, .cpu_disable = nothing_void,                     \
	.rebooting = nothing_void

#endif
