// SPDX-License-Identifier: GPL-2.0-only
/* A module with the bug that its parameter names: for tests/vm-verdicts.t. */
#include <linux/module.h>

static char *bug = "none";
module_param(bug, charp, 0444);
MODULE_PARM_DESC(bug, "none, warn, null or bug");

static int __init selftest_init(void)
{
	int *nowhere = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	WARN_ON(!strcmp(bug, "warn"));
	BUG_ON(!strcmp(bug, "bug"));
	if (!strcmp(bug, "null"))
		WRITE_ONCE(*nowhere, 1);
	return 0;
}
module_init(selftest_init);

static void __exit selftest_exit(void)
{
}
module_exit(selftest_exit);

MODULE_DESCRIPTION("A bug on request");
MODULE_LICENSE("GPL");
