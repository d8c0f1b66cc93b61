// SPDX-License-Identifier: GPL-2.0-only
#undef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": SVM: " fmt	/* ours */

#include <linux/kvm_host.h>

static const char *pr_fmt_is = "SVM: ";
