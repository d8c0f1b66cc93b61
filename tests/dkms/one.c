// SPDX-License-Identifier: GPL-2.0-only
/*
 * one.c - the smallest module that links against vac, for tests of the packaging.
 *
 * LACKS, where given, is a function that nobody exports.
 */
#include <linux/module.h>

int vac_virt_get(void);

#ifdef LACKS
int LACKS(void);
#else
#define LACKS vac_virt_get
#endif

static int __init one_init(void)
{
	return LACKS();
}
module_init(one_init);

MODULE_IMPORT_NS(VAC);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("links against vac");
