// SPDX-License-Identifier: GPL-2.0-only
static bool enable_virt_at_load;

static int kvm_enable_virtualization(void)
{
	return vac_virt_get(kvm_vac);
}

static void kvm_disable_virtualization(void)
{
	vac_virt_put(kvm_vac);
}

static int kvm_init_virtualization(void)
{
	int r;

	kvm_arch_enable_virtualization();
	r = enable_virt_at_load ? kvm_enable_virtualization() : 0;
	if (r)
		kvm_arch_disable_virtualization();
	return r;
}

static void kvm_uninit_virtualization(void)
{
	if (enable_virt_at_load)
		kvm_disable_virtualization();
	kvm_arch_disable_virtualization();
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
