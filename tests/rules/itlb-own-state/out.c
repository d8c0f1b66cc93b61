// SPDX-License-Identifier: GPL-2.0-only
static int before;
extern bool other_mitigation;

static bool split;

static void set_split(bool val)
{
	nx_huge_pages = val;
}

/* Near misses: another variable of the kernel, and one of the instance. */
static void set_others(bool val)
{
	nx_huge_pages = other_mitigation = val;
	split = nx_huge_pages = val;
}
