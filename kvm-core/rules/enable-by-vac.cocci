// SPDX-License-Identifier: GPL-2.0-only
// rule: enable-by-vac
// why: virtualization is on or off for the machine, and hotplug, suspend and reboot have one
//   hook each: vac counts the VMs of all instances and calls kvm_arch_enable_virtualization_cpu().
//   kvm_arch_enable_virtualization() is called once, when the instance is loaded
// hazard: 1, 2, 23
// files: virt/kvm/kvm_main.c   hits: 14
// when: virt/kvm/kvm_main.c has kvm_usage_lock

@get@
position hit;
@@
 kvm_enable_virtualization(void)
 {
- 	...
- 	if (kvm_usage_count@hit++)
- 		return 0;
- 	...
+ 	return vac_virt_get(kvm_vac);
 }

@put@
position hit;
@@
 kvm_disable_virtualization(void)
 {
- 	...
- 	if (--kvm_usage_count@hit)
- 		return;
- 	...
+ 	vac_virt_put(kvm_vac);
 }

@drop_enable_cpu@
position hit;
@@
- static int kvm_enable_virtualization_cpu@hit(void) { ... }

@drop_disable_cpu@
position hit;
@@
- static void kvm_disable_virtualization_cpu@hit(void *ign) { ... }

@drop_online@
position hit;
@@
- static int kvm_online_cpu@hit(unsigned int cpu) { ... }

@drop_offline@
position hit;
@@
- static int kvm_offline_cpu@hit(unsigned int cpu) { ... }

@drop_shutdown@
position hit;
@@
- static void kvm_shutdown@hit(...) { ... }

@drop_suspend@
position hit;
@@
- static int kvm_suspend@hit(...) { ... }

@drop_resume@
position hit;
@@
- static void kvm_resume@hit(...) { ... }

@drop_syscore_ops@
position hit;
@@
(
- static const struct syscore_ops kvm_syscore_ops@hit = { ... };
|
- static struct syscore_ops kvm_syscore_ops@hit = { ... };
)

@drop_data_count@
position hit;
@@
- static int kvm_usage_count@hit;

@drop_lock@
position hit;
declarer name DEFINE_MUTEX;
@@
- static DEFINE_MUTEX@hit(kvm_usage_lock);

@init@
position hit;
@@
 static int kvm_init_virtualization(void)
 {
+ 	int r;
+
+ 	kvm_arch_enable_virtualization();
- 	if (enable_virt_at_load@hit)
- 		return kvm_enable_virtualization();
-
- 	return 0;
+ 	r = enable_virt_at_load ? kvm_enable_virtualization() : 0;
+ 	if (r)
+ 		kvm_arch_disable_virtualization();
+ 	return r;
 }

@uninit@
position hit;
@@
 static void kvm_uninit_virtualization(void)
 {
 	if (enable_virt_at_load@hit)
 		kvm_disable_virtualization();
+ 	kvm_arch_disable_virtualization();
 }
