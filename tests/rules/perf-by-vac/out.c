// SPDX-License-Identifier: GPL-2.0-only
static void start(struct perf_guest_info_callbacks *mine)
{
	kvm_guest_cbs.handle_intel_pt_intr = mine->handle_intel_pt_intr;
	vac_perf_register(kvm_vac, &(struct vac_perf_ops){
			.size = sizeof(struct vac_perf_ops),
			.state = kvm_guest_cbs.state,
			.get_ip = kvm_guest_cbs.get_ip,
			.pt_intr = kvm_guest_cbs.handle_intel_pt_intr,
		});
}

static void stop(void)
{
	vac_perf_unregister(kvm_vac);
}

/* Near misses: other callbacks. */
static void others(struct perf_guest_info_callbacks *mine)
{
	perf_register_guest_info_callbacks(mine);
	perf_unregister_guest_info_callbacks(mine);
}
