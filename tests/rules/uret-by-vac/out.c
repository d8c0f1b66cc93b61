// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_host.h>

struct kvm_user_return_msrs_count {
	u32 all;
};

u32 kvm_nr_uret_msrs;
static u32 list[KVM_MAX_NR_USER_RETURN_MSRS];

int kvm_add_user_return_msr(u32 number)
{
	int slot;

	BUG_ON(kvm_nr_uret_msrs >= KVM_MAX_NR_USER_RETURN_MSRS);

	slot = vac_uret_add(number);
	if (slot < 0)
		return -1;
	vac_uret_slots[kvm_nr_uret_msrs] = slot;

	list[kvm_nr_uret_msrs] = number;
	return kvm_nr_uret_msrs++;
}

/* A near miss: it reads the instance's own list. */
int kvm_find_user_return_msr(u32 number)
{
	return find(list, kvm_nr_uret_msrs, number);
}

static int start(void)
{
	int r = -ENOMEM;

	emulators = alloc_percpu(struct kvm_user_return_msrs_count);
	if (!emulators)
		return r;

	kvm_nr_uret_msrs = 0;

	r = setup();
	if (!r)
		return 0;

out_free_emulators:
	free_percpu(emulators);
	return r;
}

static void stop(void)
{
	free_percpu(emulators);
}

int cpu_up(void)
{
	return enable();
}

void cpu_down(void)
{
	disable();
}
