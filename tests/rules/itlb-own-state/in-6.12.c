// SPDX-License-Identifier: GPL-2.0-only
/* A header of the kernel has the declaration. */
static void set_split(bool val)
{
	nx_huge_pages = itlb_multihit_kvm_mitigation = val;
}

/* Near miss: what a mitigation goes by is the instance's own. */
static bool get_split(void)
{
	return nx_huge_pages;
}
