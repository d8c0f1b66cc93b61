// SPDX-License-Identifier: GPL-2.0-only
// rule: vpid-by-vac
// why: a VPID tags translations in the TLB of a CPU, whichever instance runs there
// hazard: 6
// files: arch/x86/kvm/vmx/vmx.c   hits: 5

@drop_bitmap@
declarer name DECLARE_BITMAP;
position hit;
@@
- static DECLARE_BITMAP@hit(vmx_vpid_bitmap, VMX_NR_VPIDS);

@drop_lock@
declarer name DEFINE_SPINLOCK;
position hit;
@@
- static DEFINE_SPINLOCK@hit(vmx_vpid_lock);

@alloc@
position hit;
identifier vpid;
@@
 int allocate_vpid@hit(void)
 {
- 	int vpid;
-
 	if (!enable_vpid)
 		return 0;
- 	...
+ 	return vac_vmx_vpid_alloc(kvm_vac);
 }

@free@
position hit;
identifier vpid;
@@
 void free_vpid@hit(int vpid)
 {
 	if (...)
 		return;
- 	...
+ 	vac_vmx_vpid_free(kvm_vac, vpid);
 }

@drop_reserve@
position hit;
@@
- set_bit@hit(0, vmx_vpid_bitmap);
