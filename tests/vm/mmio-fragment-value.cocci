// SPDX-License-Identifier: GPL-2.0-only
// rule: mmio-fragment-value
// why: "KVM: x86: Use scratch field in MMIO fragment to hold small write values" (CVE-2026-31588), upstream in
//   6.1.175 and 6.12.83: without it the second half of a write across two device pages may be read
//   from a local variable of a function that has returned
// files: include/linux/kvm_host.h arch/x86/kvm/x86.c   hits: 1 each
// when: arch/x86/kvm/x86.c lacks object_is_on_stack
// count: changes

@room@
@@
 struct kvm_mmio_fragment {
 	...
+	u64 val;
 };

@value@
expression frag;
@@
- frag->data = val;
+ if (write && bytes <= sizeof(frag->val)) {
+ 	memcpy(&frag->val, val, bytes);
+ 	frag->data = &frag->val;
+ } else {
+ 	frag->data = val;
+ }
  frag->len = bytes;
