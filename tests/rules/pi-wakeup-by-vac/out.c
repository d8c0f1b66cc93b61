// SPDX-License-Identifier: GPL-2.0-only
static void start(void)
{
	vac_vmx_pi_wakeup_register(kvm_vac, pi_wakeup_handler);
}

static void stop(void)
{
	vac_vmx_pi_wakeup_unregister(kvm_vac);
}

/* Near misses: another handler, another slot. */
static void others(void)
{
	kvm_set_posted_intr_wakeup_handler(other_handler);
	kvm_set_posted_intr_other_handler(pi_wakeup_handler);
}
