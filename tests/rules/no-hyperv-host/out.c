// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_host.h>

/* Near misses: another's callback, a host check for something else, not of a host's. */
static void other_tsc_notifier(void)
{
	update_all();
}

static void start(void)
{
	if (hypervisor_is_type(X86_HYPER_XEN))
		set_hv_tscchange_cb(other_tsc_notifier);
	if (hypervisor_is_type(X86_HYPER_MS_HYPERV))
		other_tsc_notifier();
}

static void stop(void)
{
	if (hypervisor_is_type(X86_HYPER_MS_HYPERV))
		stop_all();
}
