// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - load and unload of vac, and the machines that it refuses.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <asm/cpufeature.h>
#include <asm/hypervisor.h>
#include <asm/msr.h>

#include "internal.h"

struct vac vac = {
	.lock = __MUTEX_INITIALIZER(vac.lock),
	.instances = LIST_HEAD_INIT(vac.instances),
	.closed = LIST_HEAD_INIT(vac.closed),
};

#define VMX_IN_CPUID	BIT(5)	/* leaf 1, ECX */
#define SVM_IN_CPUID	BIT(2)	/* leaf 0x80000001, ECX */
#define VM_CR_SVMDIS	BIT(4)	/* APM volume 2, 15.30.1 */

/*
 * The kernel may hide a feature that the firmware has switched off: CPUID still shows it.
 *
 * Which of its two bits in IA32_FEAT_CTL VMX needs depends on whether the kernel was
 * started by tboot, inside SMX. Only the kernel knows, and it hides VMX where that bit
 * is missing: so the MSR is read only to explain why VMX is hidden.
 */
static bool __init firmware_forbids(void)
{
	u64 feat_ctl = 0, vm_cr = 0;

	if (cpuid_ecx(1) & VMX_IN_CPUID && !boot_cpu_has(X86_FEATURE_VMX))
		rdmsrl_safe(MSR_IA32_FEAT_CTL, &feat_ctl);
	if (cpuid_eax(0x80000000) >= 0x80000001 && cpuid_ecx(0x80000001) & SVM_IN_CPUID)
		rdmsrl_safe(MSR_VM_CR, &vm_cr);
	if (feat_ctl & FEAT_CTL_LOCKED && !(feat_ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX)) {
		pr_err("refused: the firmware has locked VMX off (IA32_FEAT_CTL is %#llx); switch virtualization on in its settings\n",
		       feat_ctl);
		return true;
	}
	if (vm_cr & VM_CR_SVMDIS) {
		pr_err("refused: the firmware has switched SVM off (VM_CR is %#llx); switch virtualization on in its settings\n",
		       vm_cr);
		return true;
	}
	return false;
}

static int __init choose_vendor(void)
{
	if (hypervisor_is_type(X86_HYPER_MS_HYPERV)) {
		pr_err("refused: this host runs on Hyper-V, whose TSC callback and enlightened VMCS are not mediated; use the stock kvm here\n");
		return -EOPNOTSUPP;
	}
	if (firmware_forbids())
		return -EPERM;
	if (boot_cpu_has(X86_FEATURE_SVM)) {
		vac.vendor = &vac_vendor_svm;
	} else if (boot_cpu_has(X86_FEATURE_VMX)) {
		vac.vendor = &vac_vendor_vmx;
	} else {
		pr_err("refused: the CPU has neither SVM nor VMX, or the kernel was told not to use it; see /proc/cpuinfo and /proc/cmdline\n");
		return -ENODEV;
	}
	if (vac_tdx_host()) {
		pr_err("refused: this is a host for TDX guests, whose use of VMX is not mediated; use the stock kvm, or switch TDX off in the firmware's settings\n");
		return -EPFNOSUPPORT;
	}
	return 0;
}

static int __init vac_init(void)
{
	int r;

	r = choose_vendor();
	if (r)
		return r;
	/* First, so that stock KVM cannot be loaded in between. */
	r = vac_stock_init();
	if (r)
		return r;
	r = vac_instance_init();
	if (r)
		goto err_stock;
	r = vac.vendor->refuse();
	if (r)
		goto err_instance;
	r = vac.vendor->setup();
	if (r)
		goto err_instance;
	r = vac_virt_init();
	if (r)
		goto err_vendor;
	r = vac_clock_init();
	if (r)
		goto err_virt;
	vac_perf_init();
	r = vac_sysfs_init();
	if (r)
		goto err_perf;
	vac_debugfs_init();
	/* Last: it makes vac visible as /dev/kvm. */
	r = vac_device_init();
	if (r)
		goto err_debugfs;
	pr_info("interface %d.%d, vendor %s, capabilities %#llx\n", VAC_MAJOR, VAC_MINOR,
		vac.vendor->name, vac.vendor->capabilities);
	return 0;

err_debugfs:
	vac_debugfs_exit();
	vac_sysfs_exit();
err_perf:
	vac_perf_exit();
	vac_clock_exit();
err_virt:
	vac_virt_exit();
err_vendor:
	vac.vendor->teardown();
err_instance:
	vac_instance_exit();
err_stock:
	vac_stock_exit();
	return r;
}

/*
 * Every instance uses vac's symbols, so vac can be unloaded only when no
 * instance is left: there is nobody to call back or to switch off here.
 */
static void __exit vac_exit(void)
{
	vac_device_exit();
	vac_debugfs_exit();
	vac_sysfs_exit();
	vac_perf_exit();
	vac_clock_exit();
	vac_virt_exit();
	vac.vendor->teardown();
	vac_instance_exit();
	vac_stock_exit();
}

module_init(vac_init);
module_exit(vac_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Virtualization Acceleration Code: what a machine has once, for many KVMs");
