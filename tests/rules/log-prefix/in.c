// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt)	"SVM: " fmt	/* ours */

#include <linux/kvm_host.h>

static const char *pr_fmt_is = "SVM: ";
