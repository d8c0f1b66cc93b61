// SPDX-License-Identifier: GPL-2.0-only
// rule: virt-by-vac
// why: virtualization is on or off for the machine, and hotplug, suspend and reboot have one
//   hook each: vac counts the VMs of all instances (vm-by-vac) and calls kvm_arch_hardware_enable()
// hazard: 1, 2, 23
// unread: cpumask_var_t a type, which stays
// files: virt/kvm/kvm_main.c   hits: 28
// when: virt/kvm/kvm_main.c has kvm_count_lock

@drop_enable_all@
position hit;
@@
- static int hardware_enable_all@hit(void) { ... }

@drop_disable_all@
position hit;
@@
- static void hardware_disable_all@hit(void) { ... }

@drop_disable_all_nolock@
position hit;
@@
- static void hardware_disable_all_nolock@hit(void) { ... }

@drop_enable_nolock@
position hit;
@@
- static void hardware_enable_nolock@hit(void *junk) { ... }

@drop_disable_nolock@
position hit;
@@
- static void hardware_disable_nolock@hit(void *junk) { ... }

@drop_starting@
position hit;
@@
- static int kvm_starting_cpu@hit(unsigned int cpu) { ... }

@drop_dying@
position hit;
@@
- static int kvm_dying_cpu@hit(unsigned int cpu) { ... }

@drop_suspend@
position hit;
@@
- static int kvm_suspend@hit(void) { ... }

@drop_resume@
position hit;
@@
- static void kvm_resume@hit(void) { ... }

@drop_syscore_ops@
position hit;
@@
- static struct syscore_ops kvm_syscore_ops@hit = { ... };

@drop_reboot@
position hit;
identifier nb, val, v;
@@
- static int kvm_reboot@hit(struct notifier_block *nb, unsigned long val, void *v) { ... }

@drop_reboot_notifier@
position hit;
@@
- static struct notifier_block kvm_reboot_notifier@hit = { ... };

@drop_data_enabled@
position hit;
@@
- static cpumask_var_t cpus_hardware_enabled@hit;

@drop_data_count@
position hit;
@@
- static int kvm_usage_count@hit;

@drop_data_failed@
position hit;
@@
- static atomic_t hardware_enable_failed@hit;

@drop_lock@
position hit;
declarer name DEFINE_RAW_SPINLOCK;
@@
- static DEFINE_RAW_SPINLOCK@hit(kvm_count_lock);

@drop_mask@
position hit;
@@
- if (!zalloc_cpumask_var@hit(&cpus_hardware_enabled, GFP_KERNEL)) { ... }

@drop_mask_free@
position hit;
@@
- free_cpumask_var@hit(cpus_hardware_enabled);

@drop_cpuhp@
position hit;
expression r, name;
@@
- r = cpuhp_setup_state_nocalls@hit(CPUHP_AP_KVM_STARTING, name, kvm_starting_cpu, kvm_dying_cpu);
- if (r)
- 	goto out_free_2;

@drop_cpuhp_remove@
position hit;
@@
- cpuhp_remove_state_nocalls@hit(CPUHP_AP_KVM_STARTING);

@drop_register_reboot@
position hit;
@@
- register_reboot_notifier@hit(&kvm_reboot_notifier);

@drop_unregister_reboot@
position hit;
@@
- unregister_reboot_notifier@hit(&kvm_reboot_notifier);

@drop_register_syscore@
position hit;
@@
- register_syscore_ops@hit(&kvm_syscore_ops);

@drop_unregister_syscore@
position hit;
@@
- unregister_syscore_ops@hit(&kvm_syscore_ops);

@drop_last_disable@
position hit;
@@
- on_each_cpu@hit(hardware_disable_nolock, NULL, 1);
