// SPDX-License-Identifier: GPL-2.0-only
/* Near misses: another label here, the same label in another function. */
int kvm_init(void)
{
	int r = first();

	if (r)
		goto out_free_1;
	return 0;

out_free_1:
	undo();
out_free_0:
	last();
	return r;
}

int other_init(void)
{
	if (first())
		goto out_free_0;
	return 0;

out_free_0:
	return -ENOMEM;
}
