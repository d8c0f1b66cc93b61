// SPDX-License-Identifier: GPL-2.0-only
static void start(void)
{
}

static int vmx_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		INIT_LIST_HEAD(&per_cpu(list, cpu));

		pi_init_cpu(cpu);
	}
	vac_vmx_pi_wakeup_register(kvm_vac, pi_wakeup_handler);

	after();
	for_each_possible_cpu(cpu) {
		other_init_cpu(cpu);
	}
	return 0;
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
