// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-half.c - an instance half way through its load: admitted by vac, and without a device yet.
 *
 * It stays so until it is unloaded.
 */
#include <linux/err.h>
#include <linux/module.h>

#include "instance.h"

static struct vac_instance *inst;

static int __init half_init(void)
{
	const struct vac_instance_desc desc = {
		INSTANCE("half"),
	};

	inst = vac_instance_register(&desc);
	return PTR_ERR_OR_ZERO(inst);
}

static void __exit half_exit(void)
{
	vac_instance_unregister(inst);
}

module_init(half_init);
module_exit(half_exit);
MODULE_IMPORT_NS(VAC);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's instance that never gets to its device");
