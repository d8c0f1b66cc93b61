// SPDX-License-Identifier: GPL-2.0-only
static bool enable_virt_at_load;
static DEFINE_MUTEX(kvm_usage_lock);
static int kvm_usage_count;

static int kvm_enable_virtualization_cpu(void)
{
	return kvm_arch_enable_virtualization_cpu() ? -EIO : 0;
}

static int kvm_online_cpu(unsigned int cpu)
{
	return kvm_enable_virtualization_cpu();
}

static void kvm_disable_virtualization_cpu(void *ign)
{
	kvm_arch_disable_virtualization_cpu();
}

static int kvm_offline_cpu(unsigned int cpu)
{
	kvm_disable_virtualization_cpu(NULL);
	return 0;
}

static void kvm_shutdown(void *data)
{
	kvm_rebooting = true;
	on_each_cpu(kvm_disable_virtualization_cpu, NULL, 1);
}

static int kvm_suspend(void *data)
{
	lockdep_assert_not_held(&kvm_usage_lock);
	kvm_disable_virtualization_cpu(NULL);
	return 0;
}

static void kvm_resume(void *data)
{
	WARN_ON_ONCE(kvm_enable_virtualization_cpu());
}

static const struct syscore_ops kvm_syscore_ops = {
	.suspend = kvm_suspend,
	.resume = kvm_resume,
	.shutdown = kvm_shutdown,
};

int kvm_enable_virtualization(void)
{
	int r;

	guard(mutex)(&kvm_usage_lock);

	if (kvm_usage_count++)
		return 0;

	kvm_arch_enable_virtualization();
	r = cpuhp_setup_state(CPUHP_AP_KVM_ONLINE, "online", kvm_online_cpu, kvm_offline_cpu);
	if (r)
		goto err_cpuhp;

	register_syscore(&kvm_syscore);

	if (system_state == SYSTEM_RESTART) {
		r = -EBUSY;
		goto err_rebooting;
	}

	return 0;

err_rebooting:
	cpuhp_remove_state(CPUHP_AP_KVM_ONLINE);
err_cpuhp:
	kvm_arch_disable_virtualization();
	--kvm_usage_count;
	return r;
}

void kvm_disable_virtualization(void)
{
	guard(mutex)(&kvm_usage_lock);

	if (--kvm_usage_count)
		return;

	cpuhp_remove_state(CPUHP_AP_KVM_ONLINE);
	kvm_arch_disable_virtualization();
}

static int kvm_init_virtualization(void)
{
	if (enable_virt_at_load)
		return kvm_enable_virtualization();

	return 0;
}

static void kvm_uninit_virtualization(void)
{
	if (enable_virt_at_load)
		kvm_disable_virtualization();
}

/* Near misses: where there is nothing to enable, and a VM that comes to be. */
static int kvm_enable_nothing(void)
{
	return 0;
}

static struct kvm *kvm_create_vm(void)
{
	if (kvm_enable_virtualization())
		return NULL;
	return kvm_arch_alloc_vm();
}
