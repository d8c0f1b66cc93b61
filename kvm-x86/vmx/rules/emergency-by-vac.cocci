// SPDX-License-Identifier: GPL-2.0-only
// rule: emergency-by-vac
// why: a crash has one callback; in it vac asks every instance to clear its VMCSs before VMX goes off
// hazard: 3
// files: arch/x86/kvm/vmx/vmx.c   hits: 2
// when: vmx.c has cpu_emergency_register_virt_callback

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
