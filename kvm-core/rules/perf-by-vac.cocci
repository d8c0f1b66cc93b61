// SPDX-License-Identifier: GPL-2.0-only
// rule: perf-by-vac
// why: perf has one slot for the question whether a guest was running; vac holds it and asks the
//   instance whose vCPU is loaded on the CPU
// hazard: 16
// files: virt/kvm/kvm_main.c   hits: 2

@add_callbacks@
position hit;
@@
- perf_register_guest_info_callbacks@hit(&kvm_guest_cbs)
+ vac_perf_register(kvm_vac, &(struct vac_perf_ops){
+ 	.size = sizeof(struct vac_perf_ops),
+ 	.state = kvm_guest_cbs.state,
+ 	.get_ip = kvm_guest_cbs.get_ip,
+ 	.pt_intr = kvm_guest_cbs.handle_intel_pt_intr,
+ })

@del_callbacks@
position hit;
@@
- perf_unregister_guest_info_callbacks@hit(&kvm_guest_cbs)
+ vac_perf_unregister(kvm_vac)
