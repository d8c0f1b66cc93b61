// SPDX-License-Identifier: GPL-2.0-only
static int other;
/* Near miss: somebody else's. */
static struct syscore other_syscore = {
	.ops = &some_ops,
};
