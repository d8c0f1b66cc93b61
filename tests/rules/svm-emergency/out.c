// SPDX-License-Identifier: GPL-2.0-only
static int other;

/* Near miss: another operation. */
static void svm_disable_virtualization_cpu(void)
{
}

static struct kvm_x86_ops svm_x86_ops = {
	.disable_virtualization_cpu = svm_disable_virtualization_cpu,
	.name = KBUILD_MODNAME,
};
