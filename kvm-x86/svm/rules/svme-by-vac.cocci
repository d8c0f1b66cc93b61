// SPDX-License-Identifier: GPL-2.0-only
// rule: svme-by-vac
// why: EFER.SVME, VM_HSAVE_PA, the default TSC ratio, the ASID space and the PMU switch belong to
//   the CPU. vac sets them before it calls here, for the first VM of all instances; this runs for
//   the first VM of this one, possibly with another's vCPU loaded, and keeps off them
// hazard: 1, 5, 7, 10, 17
// files: arch/x86/kvm/svm/svm.c   hits: 11

@efer_check@
position hit;
identifier efer;
@@
- rdmsrl(MSR_EFER, efer);
- if (efer & EFER_SVME@hit)
- 	return -EBUSY;

@efer_set@
position hit;
identifier efer;
@@
- wrmsrl@hit(MSR_EFER, efer | EFER_SVME);

@efer_variable@
position hit;
identifier enable = {svm_hardware_enable, svm_enable_virtualization_cpu};
@@
 enable(void)
 {
 	...
- 	uint64_t efer@hit;
 	...
 }

@hsave@
position hit;
@@
- wrmsrl@hit(MSR_VM_HSAVE_PA, sd->save_area_pa);

@ratio@
position hit;
@@
- if (static_cpu_has(X86_FEATURE_TSCRATEMSR@hit)) { ... }

@generation@
position hit;
@@
(
- sd->asid_generation@hit++;
|
- sd->asid_generation@hit = 1;
)

@max_asid@
position hit;
@@
- sd->max_asid@hit = cpuid_ebx(SVM_CPUID_FUNC) - 1;

@next_asid@
position hit;
@@
- sd->next_asid@hit = sd->max_asid + 1;

@min_asid@
position hit;
@@
- sd->min_asid@hit = max_sev_asid + 1;

@pmu@
position hit;
@@
- amd_pmu_enable_virt@hit();

@hardware_disable@
position hit;
identifier disable = {svm_hardware_disable, svm_disable_virtualization_cpu};
@@
 static void disable@hit(void)
 {
- ...
 }
