// SPDX-License-Identifier: GPL-2.0-only
static int init(void)
{
	cleanup = alloc_workqueue(KVM_OWN_NAME("-wq"), 0, 0);
	other = alloc_workqueue("kvm-irqfd", 0, 0);
	return cleanup && other ? 0 : -ENOMEM;
}
