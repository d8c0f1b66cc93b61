// SPDX-License-Identifier: GPL-2.0-only
// rule: itlb-own-state
// why: sysfs reads the kernel's variable, and the last instance to load, or to have its nx_huge_pages
//   changed, would speak for all. An instance's own state is in its parameter nx_huge_pages
//   already, which is all that its page tables depend on; the kernel's variable stays as it is
// hazard: 13
// files: arch/x86/kvm/mmu/mmu.c   hits: every itlb_multihit_kvm_mitigation

@drop_declaration@
position hit;
@@
- extern bool itlb_multihit_kvm_mitigation@hit;

@drop_write@
expression val;
position hit;
@@
- nx_huge_pages = itlb_multihit_kvm_mitigation@hit = val;
+ nx_huge_pages = val;
