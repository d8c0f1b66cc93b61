// SPDX-License-Identifier: GPL-2.0-only
// rule: drop-cpu-autoload
// why: the CPU alias makes udev load every instance at boot
// hazard: 19
// files: arch/x86/kvm/vmx/vmx.c arch/x86/kvm/svm/svm.c   hits: 2 each

@table@
position hit;
declarer name MODULE_DEVICE_TABLE;
identifier ids;
@@
- MODULE_DEVICE_TABLE@hit(x86cpu, ids);

@ids@
position hit;
identifier ids =~ "^(svm|vmx)_cpu_id$";
@@
- static const struct x86_cpu_id ids@hit[] = { ... };
