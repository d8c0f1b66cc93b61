// SPDX-License-Identifier: GPL-2.0-only
/*
 * since: 6.19, and 6.12.115 of the stable series at the latest; "syscore: Pass context
 *	data to callbacks".
 * why: the hooks of suspend and resume are registered in a structure of their own and
 *	take its data.
 */
#include <linux/syscore_ops.h>

static int suspend(void *data)
{
	return 0;
}

static const struct syscore_ops ops = { .suspend = suspend };
struct syscore probe = { .ops = &ops };
