// SPDX-License-Identifier: GPL-2.0-only
// rule: asid-by-vac
// why: ASIDs tag the TLB of a CPU, whoever runs there. The exit path still compares the
//   generation with the instance's own copy, taken at vCPU load
// hazard: 7
// files: arch/x86/kvm/svm/svm.c   hits: 1

@alloc@
position hit;
identifier svm, sd;
@@
 static void new_asid@hit(struct vcpu_svm *svm, struct svm_cpu_data *sd)
 {
- 	if (sd->next_asid > sd->max_asid) {
- 		++sd->asid_generation;
- 		sd->next_asid = sd->min_asid;
+ 	if (vac_svm_asid_alloc(kvm_vac, &sd->asid_generation, &svm->asid)) {
 		...
 	}
 	svm->current_vmcb->asid_generation = sd->asid_generation;
- 	svm->asid = sd->next_asid++;
 }
