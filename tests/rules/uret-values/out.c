// SPDX-License-Identifier: GPL-2.0-only
u32 __read_mostly vac_uret_slots[KVM_MAX_NR_USER_RETURN_MSRS];

/* Near misses: no per-CPU variable, another; the label in another function. */
static struct kvm_user_return_msrs *user_return_msrs_copy;
static struct other_msrs __percpu *user_return_msrs_other;

static int kvm_x86_vendor_init(void)
{
	int r = first();

	if (r)
		goto out_undo;
	return 0;

out_undo:
	undo();
	last();
	return r;
}

static int other_init(void)
{
	if (first())
		goto out_free_x86_emulator_cache;
	return 0;
out_free_x86_emulator_cache:
	return -ENOMEM;
}
