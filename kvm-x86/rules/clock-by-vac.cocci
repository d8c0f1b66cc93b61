// SPDX-License-Identifier: GPL-2.0-only
// rule: clock-by-vac
// why: kvmclock's CPU hotplug state is one slot
// hazard: 2
// files: arch/x86/kvm/x86.c   hits: 2

@add_hook@
position hit;
expression name, up, down;
@@
- cpuhp_setup_state@hit(CPUHP_AP_X86_KVM_CLK_ONLINE, name, up, down);
+ vac_clock_register(kvm_vac, &(struct vac_clock_ops){
+ 	.size = sizeof(struct vac_clock_ops),
+ 	.online = up,
+ 	.offline = down,
+ });

@del_hook@
position hit;
@@
- cpuhp_remove_state_nocalls@hit(CPUHP_AP_X86_KVM_CLK_ONLINE);
+ vac_clock_unregister(kvm_vac);
