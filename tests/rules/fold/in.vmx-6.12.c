// SPDX-License-Identifier: GPL-2.0-only
static bool nested = true;
module_param(nested, bool, 0444);
module_param(nested, bool, 0644);
module_param(other, bool, 0444);

static void vmx_exit(void)
{
	stop();
}
module_exit(vmx_exit);

static int __init vmx_init(void)
{
	return start(nested);
}
module_init(vmx_init);
