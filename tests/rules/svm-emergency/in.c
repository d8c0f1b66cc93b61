// SPDX-License-Identifier: GPL-2.0-only
static int other;

static inline void kvm_cpu_svm_disable(void)
{
	wrmsrl(MSR_VM_HSAVE_PA, 0);
}

static void svm_emergency_disable_virtualization_cpu(void)
{
	kvm_rebooting = true;
	kvm_cpu_svm_disable();
}

/* Near miss: another operation. */
static void svm_disable_virtualization_cpu(void)
{
}

static struct kvm_x86_ops svm_x86_ops = {
	.disable_virtualization_cpu = svm_disable_virtualization_cpu,
	.emergency_disable_virtualization_cpu = svm_emergency_disable_virtualization_cpu,
	.name = KBUILD_MODNAME,
};
