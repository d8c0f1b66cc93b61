// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - load of an instance: vac first, then common x86, then the vendor that
 * this machine has; the other way round at unload.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/module.h>
#include <asm/cpufeature.h>

#include "fold.h"
#include "halves.h"
#include "instance.h"

struct vac_instance *kvm_vac;

/*
 * "nested" is an integer in kvm_amd and a boolean in kvm_intel; here it is one
 * parameter that takes what both take and reads as it does on this vendor.
 */
static int nested_set(const char *value, const struct kernel_param *param)
{
	bool on;
	int r = kstrtobool(value, &on);

	if (r)
		return r;
	*kvm_fold_svm_nested = on;
	*kvm_fold_vmx_nested = on;
	return 0;
}

static int nested_get(char *buffer, const struct kernel_param *param)
{
	if (boot_cpu_has(X86_FEATURE_SVM))
		return sysfs_emit(buffer, "%d\n", *kvm_fold_svm_nested);
	return sysfs_emit(buffer, "%c\n", *kvm_fold_vmx_nested ? 'Y' : 'N');
}

static const struct kernel_param_ops nested_ops = { .set = nested_set, .get = nested_get };
module_param_cb(nested, &nested_ops, NULL, 0444);
__MODULE_PARM_TYPE(nested, "bool");

static int flag_set(const char *value, const struct kernel_param *param)
{
	const struct kvm_fold_flag *flag = param->arg;
	bool on;
	int r = kstrtobool(value, &on);

	if (r)
		return r;
	*flag->svm = on;
	**flag->vmx = on;
	return 0;
}

static int flag_get(char *buffer, const struct kernel_param *param)
{
	const struct kvm_fold_flag *flag = param->arg;
	bool on = boot_cpu_has(X86_FEATURE_SVM) ? *flag->svm : **flag->vmx;

	return sysfs_emit(buffer, "%c\n", on ? 'Y' : 'N');
}

const struct kernel_param_ops kvm_fold_flag_ops = { .set = flag_set, .get = flag_get };

static void rebooting(void)
{
	kvm_rebooting = true;
}

static const struct vac_instance_desc desc __initconst = {
	.size = sizeof(desc),
	.major = VAC_MAJOR,
	.minor = VAC_MINOR,
	.need_svm = VAC_CAP_SVM | VAC_CAP_ASID | VAC_CAP_TSC_RATIO | VAC_CAP_SRSO | VAC_CAP_VFIO |
		    VAC_CAP_VM | VAC_CAP_CLOSING | VAC_CAP_FLUSH_CONFIRM,
	.need_vmx = VAC_CAP_VMX | VAC_CAP_VPID | VAC_CAP_VFIO | VAC_CAP_VM | VAC_CAP_CLOSING,
	.owner = THIS_MODULE,
	.tag = KVM_INSTANCE_TAG,
	.snapshot = KVM_INSTANCE_SNAPSHOT,
	.snapshot_digest = KVM_INSTANCE_SNAPSHOT_DIGEST,
	.rules_digest = KVM_INSTANCE_RULES_DIGEST,
	.patches = KVM_INSTANCE_PATCHES,
	.cpu_enable = kvm_fold_cpu_enable,
	.cpu_disable = kvm_fold_cpu_disable,
	.rebooting = rebooting,
	.unmitigated = kvm_unmitigated,
};

static int __init instance_init(void)
{
	int r = kvm_halves_check();

	if (r)
		return r;	/* it has said why */
	kvm_vac = vac_instance_register(&desc);
	if (IS_ERR(kvm_vac))
		return PTR_ERR(kvm_vac);	/* vac has said why */
	r = kvm_fold_common_init();
	if (!r)
		r = boot_cpu_has(X86_FEATURE_SVM) ? kvm_fold_svm_init() : kvm_fold_vmx_init();
	if (r) {
		pr_err("cannot start: %d\n", r);
		vac_instance_unregister(kvm_vac);
	}
	return r;
}

static void __exit instance_exit(void)
{
	if (boot_cpu_has(X86_FEATURE_SVM))
		kvm_fold_svm_exit();
	else
		kvm_fold_vmx_exit();
	kvm_fold_common_exit();
	vac_instance_unregister(kvm_vac);
}

module_init(instance_init);
module_exit(instance_exit);

MODULE_IMPORT_NS(VAC);
MODULE_DESCRIPTION("KVM of " KVM_INSTANCE_SNAPSHOT " as an instance of multi-kvm");
MODULE_INFO(snapshot, KVM_INSTANCE_SNAPSHOT);
MODULE_INFO(snapshot_digest, KVM_INSTANCE_SNAPSHOT_DIGEST);
MODULE_INFO(rules_digest, KVM_INSTANCE_RULES_DIGEST);
MODULE_INFO(patches, KVM_INSTANCE_PATCHES);
MODULE_INFO(vac_interface, __stringify(VAC_MAJOR) "." __stringify(VAC_MINOR));
