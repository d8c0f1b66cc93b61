// SPDX-License-Identifier: GPL-2.0-only
static int nested = true;
module_param(nested, int, 0444);
module_param(nested, int, 0644);
module_param(other, int, 0444);

static int __init svm_init(void)
{
	return start(nested);
}

static void __exit svm_exit(void)
{
	stop();
}

module_init(svm_init)
module_exit(svm_exit)
