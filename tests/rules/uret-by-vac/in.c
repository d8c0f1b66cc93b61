// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_host.h>

struct kvm_user_return_msrs {
	bool on;
	u64 host[KVM_MAX_NR_USER_RETURN_MSRS];
};

struct kvm_user_return_msrs_count {
	u32 all;
};

u32 kvm_nr_uret_msrs;
static u32 list[KVM_MAX_NR_USER_RETURN_MSRS];

static void kvm_on_user_return(struct user_return_notifier *one)
{
	restore(one);
}

static int kvm_probe_user_return_msr(u32 number)
{
	u64 value;

	return rdmsrl_safe(number, &value);
}

int kvm_add_user_return_msr(u32 number)
{
	BUG_ON(kvm_nr_uret_msrs >= KVM_MAX_NR_USER_RETURN_MSRS);

	if (kvm_probe_user_return_msr(number))
		return -1;

	list[kvm_nr_uret_msrs] = number;
	return kvm_nr_uret_msrs++;
}

/* A near miss: it reads the instance's own list. */
int kvm_find_user_return_msr(u32 number)
{
	return find(list, kvm_nr_uret_msrs, number);
}

static void kvm_user_return_msr_cpu_online(void)
{
	struct kvm_user_return_msrs *msrs = this_cpu_ptr(user_return_msrs);

	sample(msrs->host);
}

int kvm_set_user_return_msr(unsigned slot, u64 value, u64 mask)
{
	struct kvm_user_return_msrs *msrs = this_cpu_ptr(user_return_msrs);

	value = (value & mask) | (msrs->host[slot] & ~mask);
	return wrmsrl_safe(list[slot], value) ? 1 : 0;
}

static void drop_user_return_notifiers(void)
{
	struct kvm_user_return_msrs *msrs = this_cpu_ptr(user_return_msrs);

	if (msrs->on)
		kvm_on_user_return(NULL);
}

static int start(void)
{
	int r = -ENOMEM;

	emulators = alloc_percpu(struct kvm_user_return_msrs_count);
	if (!emulators)
		return r;

	user_return_msrs = alloc_percpu(struct kvm_user_return_msrs);
	if (!user_return_msrs) {
		log(r);
		goto out_free_emulators;
	}
	kvm_nr_uret_msrs = 0;

	r = setup();
	if (!r)
		return 0;

	free_percpu(user_return_msrs);
out_free_emulators:
	free_percpu(emulators);
	return r;
}

static void stop(void)
{
	free_percpu(emulators);
	free_percpu(user_return_msrs);
}

int cpu_up(void)
{
	kvm_user_return_msr_cpu_online();
	return enable();
}

void cpu_down(void)
{
	disable();
	drop_user_return_notifiers();
}
