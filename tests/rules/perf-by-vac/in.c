// SPDX-License-Identifier: GPL-2.0-only
static void start(struct perf_guest_info_callbacks *mine)
{
	kvm_guest_cbs.handle_intel_pt_intr = mine->handle_intel_pt_intr;
	perf_register_guest_info_callbacks(&kvm_guest_cbs);
}

static void stop(void)
{
	perf_unregister_guest_info_callbacks(&kvm_guest_cbs);
}

/* Near misses: other callbacks. */
static void others(struct perf_guest_info_callbacks *mine)
{
	perf_register_guest_info_callbacks(mine);
	perf_unregister_guest_info_callbacks(mine);
}
