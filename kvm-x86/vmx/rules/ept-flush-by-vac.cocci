// SPDX-License-Identifier: GPL-2.0-only
// rule: ept-flush-by-vac
// why: with the first VM of one instance this would throw away, on every CPU, what the VMs of the others
//   have in the TLB. It is needed once after a VMXON, and vac does it (vac/vmx.c says why no other is: a
//   vCPU flushes on each CPU that it comes to and for each root that it loads).
//   6.12 has no such line any more
// hazard: 1
// after: vmxon-by-vac
// files: arch/x86/kvm/vmx/vmx.c   hits: 1
// when: vmx.c has vmx_hardware_enable

@drop@
position hit;
@@
 vmx_hardware_enable(void)
 {
 	...
- 	if (enable_ept)
- 		ept_sync_global@hit();
 	...
 }
