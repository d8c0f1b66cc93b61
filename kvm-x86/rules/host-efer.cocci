// SPDX-License-Identifier: GPL-2.0-only
// rule: host-efer
// why: another instance may have SVM on while this one loads; EFER.SVME is vac's and must not
//   pass for the host's
// hazard: 1
// files: arch/x86/kvm/x86.c   hits: 1

@efer@
position hit;
@@
(
 rdmsrl_safe@hit(MSR_EFER, &host_efer);
+ host_efer &= ~EFER_SVME;
|
 rdmsrl_safe@hit(MSR_EFER, &kvm_host.efer);
+ kvm_host.efer &= ~EFER_SVME;
)
