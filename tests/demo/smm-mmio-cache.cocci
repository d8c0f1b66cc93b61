// SPDX-License-Identifier: GPL-2.0-only
// rule: smm-mmio-cache
// why: "KVM: x86: Use active memslots for the per-vCPU MMIO cache" (CVE-2026-99082), upstream in 6.1.191
//   and 6.12.114: without it an access of SMM firmware to its own memory may go to a device
// files: arch/x86/kvm/x86.h   hits: 2
// when: arch/x86/kvm/x86.h lacks kvm_vcpu_memslots

@generation@
position hit;
expression vcpu;
@@
- kvm_memslots@hit(vcpu->kvm)->generation
+ kvm_vcpu_memslots(vcpu)->generation
