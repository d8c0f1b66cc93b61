// SPDX-License-Identifier: GPL-2.0-only
static void start(void)
{
	vac_clock_register(kvm_vac, &(struct vac_clock_ops){
			.size = sizeof(struct vac_clock_ops),
			.online = cpu_up,
			.offline = cpu_down,
		});
	cpuhp_setup_state(CPUHP_AP_OTHER_ONLINE, "other", cpu_up, cpu_down);
}

static void stop(void)
{
	cpuhp_remove_state_nocalls(CPUHP_AP_OTHER_ONLINE);
	vac_clock_unregister(kvm_vac);
	cpuhp_remove_state(CPUHP_AP_X86_KVM_CLK_ONLINE);
}
