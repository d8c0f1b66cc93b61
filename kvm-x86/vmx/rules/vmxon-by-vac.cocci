// SPDX-License-Identifier: GPL-2.0-only
// rule: vmxon-by-vac
// why: VMXON, VMXOFF and the Processor Trace switch around them belong to the CPU
// hazard: 1, 3, 17
// unread: kvm_cpu_vmxon dropped by drop-vmxon
// unread: X86_CR4_VMXE values for guests
// files: arch/x86/kvm/vmx/vmx.c   hits: 5

@hardware_enable@
position hit;
identifier phys_addr, r;
@@
 static int vmx_hardware_enable@hit(void)
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
@@
 static void vmx_hardware_disable@hit(void)
 {
 	...
- 	if (cpu_vmxoff())
- 		kvm_spurious_fault();
 	...
- 	intel_pt_handle_vmx(0);
 }

@emergency@
position hit;
@@
 static void vmx_emergency_disable@hit(void)
 {
 	...
- 	__cpu_emergency_vmxoff();
 }

@add_hook@
position hit;
@@
- cpu_emergency_register_virt_callback@hit(vmx_emergency_disable);
+ vac_vmx_emergency_register(kvm_vac, vmx_emergency_disable);

@del_hook@
position hit;
@@
- cpu_emergency_unregister_virt_callback@hit(vmx_emergency_disable);
+ vac_vmx_emergency_unregister(kvm_vac);
