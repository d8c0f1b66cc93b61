// SPDX-License-Identifier: GPL-2.0-only
// rule: srso-by-vac
// why: BP_SPEC_REDUCE stays set on a CPU while any instance has a VM. The last VM of one would clear it
//   under the others' VMs, whose instance believes that it is set. The instance itself still checks
//   whether the CPU has the feature; the load path pays one comparison
// hazard: 12
// files: arch/x86/kvm/svm/svm.c   hits: 6
// when: arch/x86/kvm/svm/svm.c has srso_nr_vms

@drop_lock@
position hit;
declarer name DEFINE_SPINLOCK;
@@
- static DEFINE_SPINLOCK@hit(srso_lock);

@drop_count@
position hit;
@@
- static atomic_t srso_nr_vms@hit;

@drop_clear@
position hit;
@@
- static void svm_srso_clear_bp_spec_reduce@hit(void *ign) { ... }

@put@
position hit;
expression feature;
@@
 static void svm_srso_vm_destroy(void)
 {
 	if (!feature)
 		return;
- 	if (atomic_dec_return(&srso_nr_vms@hit))
- 		return;
- 	...
+ 	vac_svm_srso_put(kvm_vac);
 }

@get@
position hit;
expression feature;
@@
 static void svm_srso_vm_init(void)
 {
 	if (!feature)
 		return;
- 	if (atomic_inc_not_zero(&srso_nr_vms@hit))
- 		return;
- 	...
+ 	vac_svm_srso_get(kvm_vac);
 }

@reduce@
position hit;
expression feature;
identifier sd;
@@
 	if (feature &&
- 	    !sd->bp_spec_reduce_set@hit
+ 	    !vac_svm_srso_is_reduced()
 	    ) {
- 		...
+ 		vac_svm_srso_reduce();
 	}
