// SPDX-License-Identifier: GPL-2.0-only
// rule: uret-by-vac
// why: the host's value of a user-return MSR can be sampled and restored by one only; vac holds
//   values and notifier, the instance keeps its slot numbers, which index per-vCPU arrays
// hazard: 9
// files: arch/x86/kvm/x86.c   hits: 12

@drop_type@
typedef u64, u32;
position hit;
@@
- struct kvm_user_return_msrs@hit { ... };

@drop_on_user_return@
position hit;
identifier urn;
@@
- static void kvm_on_user_return@hit(struct user_return_notifier *urn) { ... }

@drop_probe@
position hit;
identifier msr;
@@
- static int kvm_probe_user_return_msr@hit(u32 msr) { ... }

@add@
position hit;
identifier msr;
@@
 int kvm_add_user_return_msr@hit(u32 msr)
 {
+ 	int slot;
+
 	...
- 	if (kvm_probe_user_return_msr(msr))
+ 	slot = vac_uret_add(msr);
+ 	if (slot < 0)
 		return -1;
+ 	vac_uret_slots[kvm_nr_uret_msrs] = slot;
 	...
 }

@drop_online@
position hit;
@@
- static void kvm_user_return_msr_cpu_online@hit(void) { ... }

@drop_set@
position hit;
identifier slot, value, mask;
@@
- int kvm_set_user_return_msr@hit(unsigned slot, u64 value, u64 mask) { ... }

@drop_drop@
position hit;
@@
- static void drop_user_return_notifiers@hit(void) { ... }

@drop_alloc@
position hit;
@@
- user_return_msrs = alloc_percpu@hit(struct kvm_user_return_msrs);
- if (!user_return_msrs) { ... }

@drop_free@
position hit;
@@
- free_percpu@hit(user_return_msrs);

@drop_online_call@
position hit;
@@
- kvm_user_return_msr_cpu_online@hit();

@drop_drop_call@
position hit;
@@
- drop_user_return_notifiers@hit();
