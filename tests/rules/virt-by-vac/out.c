// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_host.h>
static DEFINE_RAW_SPINLOCK(other_lock);
static cpumask_var_t cpus_other;
static int other_count;

/* Near misses: other people's callbacks, masks, hooks and hotplug states. */
static struct syscore_ops other_ops = {
	.suspend = other_suspend,
};

static struct notifier_block other_notifier = {
	.notifier_call = other_reboot,
};

static int others(void)
{
	int r;

	if (!zalloc_cpumask_var(&cpus_other, GFP_KERNEL))
		return -ENOMEM;
	r = cpuhp_setup_state_nocalls(CPUHP_AP_OTHER, "other", other_up, other_down);
	if (r)
		goto out_free_2;
	register_reboot_notifier(&other_notifier);
	register_syscore_ops(&other_ops);
	on_each_cpu(other_up, NULL, 1);
	return other_count;

out_free_2:
	unregister_syscore_ops(&other_ops);
	unregister_reboot_notifier(&other_notifier);
	cpuhp_remove_state_nocalls(CPUHP_AP_OTHER);
	free_cpumask_var(cpus_other);
	return r;
}

int kvm_init(void)
{
	int r;

	r = kvm_arch_hardware_setup();
	if (r)
		goto out_free_1;

	r = others();
	if (!r)
		return 0;

out_free_2:
	kvm_arch_hardware_unsetup();
out_free_1:
out_free_0:
	return r;
}

void kvm_exit(void)
{
	kvm_arch_hardware_unsetup();
}
