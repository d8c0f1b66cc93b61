// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-foreign.c - asks vac for admission in the ways that vac must refuse.
 *
 * The parameter "as" chooses one: major, size, tag, vendor; any other word is its tag. It does
 * not stay loaded: if vac admits it, it leaves again and says so with -ECANCELED.
 */
#include <linux/err.h>
#include <linux/module.h>

#include "instance.h"

static char *as = "major";
module_param(as, charp, 0);

static int __init foreign_init(void)
{
	struct vac_instance_desc desc = { INSTANCE("foreign") };
	struct vac_instance *inst;
	/* No machine has both. */
	const u64 both = VAC_CAP_SVM | VAC_CAP_VMX;

	if (!strcmp(as, "major"))
		desc.major = VAC_MAJOR + 1;
	else if (!strcmp(as, "size"))
		desc.size = 8;
	else if (!strcmp(as, "tag"))
		desc.tag = "Foreign";
	else if (!strcmp(as, "vendor"))
		desc.need_svm = both;
	else
		desc.tag = as;
	desc.need_vmx = desc.need_svm;
	inst = vac_instance_register(&desc);
	if (IS_ERR(inst))
		return PTR_ERR(inst);
	vac_instance_unregister(inst);
	return -ECANCELED;
}
module_init(foreign_init);

MODULE_IMPORT_NS(VAC);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that vac must refuse");
