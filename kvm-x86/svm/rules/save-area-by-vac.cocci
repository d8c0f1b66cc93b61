// SPDX-License-Identifier: GPL-2.0-only
// rule: save-area-by-vac
// why: the page in VM_HSAVE_PA outlives the instance that was loaded when SVM came on
// hazard: 5
// files: arch/x86/kvm/svm/svm.c   hits: 3

@alloc@
position hit;
expression sd;
@@
- sd->save_area = alloc_page@hit(GFP_KERNEL | __GFP_ZERO);
+ sd->save_area = virt_to_page(vac_svm_save_area(cpu));

@alloc_for_snp@
position hit;
expression page, node, flags;
@@
- page = snp_safe_alloc_page_node@hit(node, flags);
+ page = virt_to_page(vac_svm_save_area(cpu));

@free@
position hit;
expression sd;
@@
- __free_page@hit(sd->save_area);

@free_new@
position hit;
@@
- __free_page@hit(save_area_page);

@free_by_address@
position hit;
expression sd;
@@
- __free_page@hit(__sme_pa_to_page(sd->save_area_pa));
