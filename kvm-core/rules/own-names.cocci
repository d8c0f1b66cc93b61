// SPDX-License-Identifier: GPL-2.0-only
// rule: own-names
// why: visible names must tell the instance, and a second cache or directory of one name is
//   refused with a warning; inside a VM (anon inodes) the names that VMMs look for stay. The name
//   of a work queue has up to 31 characters, and a tag up to 24
// hazard: 20
// files: virt/kvm/kvm_main.c virt/kvm/eventfd.c virt/kvm/async_pf.c arch/x86/kvm/x86.c
//   arch/x86/kvm/mmu/mmu.c arch/x86/kvm/i8254.c
// hits: virt/kvm/kvm_main.c=2 virt/kvm/eventfd.c=1 virt/kvm/async_pf.c=1 arch/x86/kvm/x86.c=1
//   arch/x86/kvm/mmu/mmu.c=3 arch/x86/kvm/i8254.c=1

@directory@
position hit;
@@
- debugfs_create_dir@hit("kvm", NULL)
+ debugfs_create_dir(KVM_INSTANCE_NAME, NULL)

@vcpus@
position hit;
@@
 kmem_cache_create_usercopy@hit(
- "kvm_vcpu"
+ KVM_OWN_NAME("-vcpu")
 , ...)

@emulators@
position hit;
@@
 kmem_cache_create_usercopy@hit(
- "x86_emulator"
+ KVM_OWN_NAME("-emulator")
 , ...)

@pte_lists@
position hit;
@@
 kmem_cache_create@hit(
- "pte_list_desc"
+ KVM_OWN_NAME("-pte_list_desc")
 , ...)

@pte_lists_by_type@
position hit;
expression flags;
@@
- KMEM_CACHE@hit(pte_list_desc, flags)
+ kmem_cache_create(KVM_OWN_NAME("-pte_list_desc"), sizeof(struct pte_list_desc),
+ 		  __alignof__(struct pte_list_desc), flags, NULL)

@page_headers@
position hit;
@@
 kmem_cache_create@hit(
- "kvm_mmu_page_header"
+ KVM_OWN_NAME("-mmu_page_header")
 , ...)

@async_pf@
position hit;
@@
- KMEM_CACHE@hit(kvm_async_pf, 0)
+ kmem_cache_create(KVM_OWN_NAME("-async_pf"), sizeof(struct kvm_async_pf),
+ 		  __alignof__(struct kvm_async_pf), 0, NULL)

@irqfd@
position hit;
@@
 alloc_workqueue@hit(
- "kvm-irqfd-cleanup"
+ KVM_OWN_NAME("-wq")
 , ...)

@nx_worker@
position hit;
expression kvm, fn, data, thread;
@@
 kvm_vm_create_worker_thread@hit(kvm, fn, data,
- "kvm-nx-lpage-recovery"
+ KVM_OWN_NAME("-nx-lpage-recovery")
 , thread)

@nx_task@
position hit;
expression fn, kill, data;
@@
 vhost_task_create@hit(fn, kill, data,
- "kvm-nx-lpage-recovery"
+ KVM_OWN_NAME("-nx-lpage-recovery")
 )

@pit_worker@
position hit;
expression flags, pid;
@@
 kthread_create_worker@hit(flags,
- "kvm-pit/%d"
+ KVM_OWN_NAME("-pit/%d")
 , pid)
