// SPDX-License-Identifier: GPL-2.0-only
/* Near misses: another function, a call, a mention in a comment: static void new_asid( */
static void new_asid_pool(void)
{
}

static void new_asid(struct vcpu_svm *svm)
{
	svm->asid = 1;
}

static int run(struct vcpu_svm *svm)
{
	new_asid(svm);
	return 0;
}
