// SPDX-License-Identifier: GPL-2.0-only
// rule: no-hyperv-host
// why: the callback for TSC changes on a Hyper-V host is one slot; vac refuses such a host
// hazard: 18
// files: arch/x86/kvm/x86.c   hits: 3

@set@
position hit;
@@
- if (hypervisor_is_type(X86_HYPER_MS_HYPERV))
- 	set_hv_tscchange_cb@hit(kvm_hyperv_tsc_notifier);

@clear@
position hit;
@@
- if (hypervisor_is_type(X86_HYPER_MS_HYPERV))
- 	clear_hv_tscchange_cb@hit();

@drop@
position hit;
@@
- static void kvm_hyperv_tsc_notifier@hit(void) { ... }
