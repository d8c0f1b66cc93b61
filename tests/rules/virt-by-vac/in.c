// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_host.h>

static DEFINE_RAW_SPINLOCK(kvm_count_lock);
static DEFINE_RAW_SPINLOCK(other_lock);
static cpumask_var_t cpus_hardware_enabled;
static cpumask_var_t cpus_other;
static int kvm_usage_count;
static int other_count;
static atomic_t hardware_enable_failed;

static void hardware_enable_nolock(void *junk)
{
	if (kvm_arch_hardware_enable())
		atomic_inc(&hardware_enable_failed);
	else
		cpumask_set_cpu(smp_processor_id(), cpus_hardware_enabled);
}

static int kvm_starting_cpu(unsigned int cpu)
{
	raw_spin_lock(&kvm_count_lock);
	if (kvm_usage_count)
		hardware_enable_nolock(NULL);
	raw_spin_unlock(&kvm_count_lock);
	return 0;
}

static void hardware_disable_nolock(void *junk)
{
	if (cpumask_test_cpu(smp_processor_id(), cpus_hardware_enabled))
		kvm_arch_hardware_disable();
}

static int kvm_dying_cpu(unsigned int cpu)
{
	hardware_disable_nolock(NULL);
	return 0;
}

static void hardware_disable_all_nolock(void)
{
	if (!--kvm_usage_count)
		on_each_cpu(hardware_disable_nolock, NULL, 1);
}

static void hardware_disable_all(void)
{
	raw_spin_lock(&kvm_count_lock);
	hardware_disable_all_nolock();
	raw_spin_unlock(&kvm_count_lock);
}

static int hardware_enable_all(void)
{
	int r = 0;

	if (++kvm_usage_count == 1)
		on_each_cpu(hardware_enable_nolock, NULL, 1);
	if (atomic_read(&hardware_enable_failed))
		r = -EBUSY;
	return r;
}

static int kvm_reboot(struct notifier_block *notifier, unsigned long val, void *v)
{
	on_each_cpu(hardware_disable_nolock, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block kvm_reboot_notifier = {
	.notifier_call = kvm_reboot,
};

static int kvm_suspend(void)
{
	hardware_disable_nolock(NULL);
	return 0;
}

static void kvm_resume(void)
{
	hardware_enable_nolock(NULL);
}

static struct syscore_ops kvm_syscore_ops = {
	.suspend = kvm_suspend,
	.resume = kvm_resume,
};

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

	if (!zalloc_cpumask_var(&cpus_hardware_enabled, GFP_KERNEL)) {
		r = -ENOMEM;
		goto out_free_0;
	}

	r = kvm_arch_hardware_setup();
	if (r)
		goto out_free_1;

	r = cpuhp_setup_state_nocalls(CPUHP_AP_KVM_STARTING, "one", kvm_starting_cpu,
				      kvm_dying_cpu);
	if (r)
		goto out_free_2;
	register_reboot_notifier(&kvm_reboot_notifier);
	register_syscore_ops(&kvm_syscore_ops);
	r = others();
	if (!r)
		return 0;

	unregister_reboot_notifier(&kvm_reboot_notifier);
	cpuhp_remove_state_nocalls(CPUHP_AP_KVM_STARTING);
out_free_2:
	kvm_arch_hardware_unsetup();
out_free_1:
	free_cpumask_var(cpus_hardware_enabled);
out_free_0:
	return r;
}

void kvm_exit(void)
{
	unregister_syscore_ops(&kvm_syscore_ops);
	unregister_reboot_notifier(&kvm_reboot_notifier);
	cpuhp_remove_state_nocalls(CPUHP_AP_KVM_STARTING);
	on_each_cpu(hardware_disable_nolock, NULL, 1);
	kvm_arch_hardware_unsetup();
	free_cpumask_var(cpus_hardware_enabled);
}
