// SPDX-License-Identifier: GPL-2.0-only
// rule: vmxon-by-vac
// why: VMXON, its region, VMXOFF and the Processor Trace switch around them belong to the CPU
// hazard: 1, 3, 17
// unread: kvm_cpu_vmxon dropped by drop-vmxon
// unread: kvm_cpu_vmxoff dropped by drop-vmxoff
// unread: X86_CR4_VMXE values for guests
// unread: nested a helper of macros for guests
// files: arch/x86/kvm/vmx/vmx.c   hits: 8

@hardware_enable@
position hit;
identifier phys_addr, r;
identifier enable = {vmx_hardware_enable, vmx_enable_virtualization_cpu};
@@
 enable@hit(void)
 {
 	...
- 	u64 phys_addr = ...;
- 	int r;
- 	if (cr4_read_shadow() & X86_CR4_VMXE)
- 		return -EBUSY;
 	...
- 	intel_pt_handle_vmx(1);
- 	r = kvm_cpu_vmxon(phys_addr);
- 	if (r) {
- 		...
- 	}
 	...
 }

@hardware_disable@
position hit;
identifier disable = {vmx_hardware_disable, vmx_disable_virtualization_cpu};
identifier vmxoff = {cpu_vmxoff, kvm_cpu_vmxoff};
@@
 disable@hit(void)
 {
 	...
- 	if (vmxoff())
- 		kvm_spurious_fault();
 	...
- 	intel_pt_handle_vmx(0);
 }

@emergency@
position hit;
identifier emergency = {vmx_emergency_disable, vmx_emergency_disable_virtualization_cpu};
identifier vmxoff = {__cpu_emergency_vmxoff, kvm_cpu_vmxoff};
@@
 emergency@hit(void)
 {
 	...
- 	vmxoff();
 }

@drop_region@
declarer name DEFINE_PER_CPU;
position hit;
@@
- static DEFINE_PER_CPU@hit(struct vmcs *, vmxarea);

@drop_free@
position hit;
@@
- static void free_kvm_area@hit(void) { ... }

@drop_alloc@
position hit;
@@
- static int alloc_kvm_area@hit(void) { ... }

@drop_free_call@
position hit;
@@
- free_kvm_area@hit();

@drop_alloc_call@
position hit;
identifier r;
@@
- r = alloc_kvm_area@hit();
- if (r && nested)
- 	nested_vmx_hardware_unsetup();
+ r = 0;
