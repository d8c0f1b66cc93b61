// SPDX-License-Identifier: GPL-2.0-only
// rule: l1tf-own-state
// why: the kernel's variable is "auto" until the first KVM has set itself up; the second to load would
//   misread it, and the first to unload would reset what sysfs says of the others. Defined here it is
//   a private name like any other: each instance has its own, which its parameter
//   vmentry_l1d_flush shows and sets, and the kernel's stays as it is
// hazard: 13
// files: arch/x86/kvm/vmx/vmx.c   hits: 1

@own@
declarer name DEFINE_MUTEX;
position hit;
@@
 static DEFINE_MUTEX@hit(vmx_l1d_flush_mutex);
+ enum vmx_l1d_flush_state __read_mostly l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_AUTO;
