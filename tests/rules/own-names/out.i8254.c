// SPDX-License-Identifier: GPL-2.0-only
static struct kthread_worker *workers(pid_t nr)
{
	other = kthread_create_worker(0, "kvm-timer/%d", nr);
	return kthread_create_worker(0, KVM_OWN_NAME("-pit/%d"), nr);
}
