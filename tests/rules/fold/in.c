// SPDX-License-Identifier: GPL-2.0-only
static int __init kvm_x86_init(void)
{
	return start();
}
module_init(kvm_x86_init);

static void __exit kvm_x86_exit(void)
{
	stop();
}
module_exit(kvm_x86_exit);

/* Near misses: another parameter, another kind of call. */
module_param(nested_too, int, S_IRUGO);
late_initcall(kvm_x86_init);
