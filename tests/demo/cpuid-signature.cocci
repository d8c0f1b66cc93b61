// SPDX-License-Identifier: GPL-2.0-only
// rule: cpuid-signature
// why: a change that a guest can see: EBX of CPUID leaf 0x40000001, which KVM leaves 0, reads "demo"
// files: arch/x86/kvm/cpuid.c   hits: 1

@signature@
position hit;
identifier vcpu, eax, ebx, ecx, edx, exact;
@@
 kvm_cpuid@hit(struct kvm_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx, bool exact)
 {
 	...
+	if (function == KVM_CPUID_FEATURES)
+		*ebx = 0x6f6d6564;
 	trace_kvm_cpuid(...);
 	...
 }
