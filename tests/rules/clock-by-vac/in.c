// SPDX-License-Identifier: GPL-2.0-only
static void start(void)
{
	cpuhp_setup_state(CPUHP_AP_X86_KVM_CLK_ONLINE, "one", cpu_up, cpu_down);
	cpuhp_setup_state(CPUHP_AP_OTHER_ONLINE, "other", cpu_up, cpu_down);
}

static void stop(void)
{
	cpuhp_remove_state_nocalls(CPUHP_AP_OTHER_ONLINE);
	cpuhp_remove_state_nocalls(CPUHP_AP_X86_KVM_CLK_ONLINE);
	cpuhp_remove_state(CPUHP_AP_X86_KVM_CLK_ONLINE);
}
