// SPDX-License-Identifier: GPL-2.0-only
static int nested = true;
#include "fold.h"
int * const kvm_fold_svm_nested = &nested;
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

#include "fold.h"
int __init kvm_fold_svm_init(void) { return svm_init(); }
#include "fold.h"
void __exit kvm_fold_svm_exit(void) { svm_exit(); }
