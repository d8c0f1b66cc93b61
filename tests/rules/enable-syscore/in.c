// SPDX-License-Identifier: GPL-2.0-only
static int other;

static struct syscore kvm_syscore = {
	.ops = &some_ops,
};
/* Near miss: somebody else's. */
static struct syscore other_syscore = {
	.ops = &some_ops,
};
