// SPDX-License-Identifier: GPL-2.0-only
// rule: enable-syscore
// why: where suspend hooks are registered in a struct syscore, enable-by-vac leaves that structure
// hazard: 2
// files: virt/kvm/kvm_main.c   hits: 1
// when: virt/kvm/kvm_main.c has kvm_usage_lock
// when: virt/kvm/kvm_main.c has register_syscore

@drop@
position hit;
@@
- static struct syscore kvm_syscore@hit = { ... };
