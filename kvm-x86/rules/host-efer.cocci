// SPDX-License-Identifier: GPL-2.0-only
// rule: host-efer
// why: another instance may have SVM on while this one loads; EFER.SVME is vac's and must not be
//   taken for the host's. Nor must a guest's EFER, which stays there until the CPU returns to user space
//   on Intel CPUs that do not switch EFER with the VMCS: vac knows the host's value. The other values of
//   the host that KVM samples when it is loaded (kvm-x86/README.md lists them) are no guest's at that time
// hazard: 1, 9
// files: arch/x86/kvm/x86.c   hits: 1

@efer@
position hit;
@@
(
- rdmsrl_safe@hit(MSR_EFER, &host_efer);
+ vac_uret_host(MSR_EFER, &host_efer);
+ host_efer &= ~EFER_SVME;
|
- rdmsrl_safe@hit(MSR_EFER, &kvm_host.efer);
+ vac_uret_host(MSR_EFER, &kvm_host.efer);
+ kvm_host.efer &= ~EFER_SVME;
)
