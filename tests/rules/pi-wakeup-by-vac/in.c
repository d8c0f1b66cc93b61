// SPDX-License-Identifier: GPL-2.0-only
static void start(void)
{
	kvm_set_posted_intr_wakeup_handler(pi_wakeup_handler);
}

static void stop(void)
{
	kvm_set_posted_intr_wakeup_handler(NULL);
}

/* Near misses: another handler, another slot. */
static void others(void)
{
	kvm_set_posted_intr_wakeup_handler(other_handler);
	kvm_set_posted_intr_other_handler(pi_wakeup_handler);
}
