// SPDX-License-Identifier: GPL-2.0-only
static long kvm_vcpu_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg)
{
	int r;

	switch (ioctl) {
	case KVM_RUN:
		r = kvm_arch_vcpu_ioctl_run(vcpu);
		break;
	default:
		r = kvm_record_vcpu_ioctl(filp, ioctl, arg);
	}
	return r;
}

static struct kvm *kvm_create_vm(unsigned long type, const char *fdname)
{
	int r;

	kvm_record_init(kvm, type);
	r = kvm_arch_init_vm(kvm, type);
	if (r)
		goto out;
	return kvm;
out:
	kvm_arch_destroy_vm(kvm);
	return ERR_PTR(r);
}

static void kvm_destroy_vm(struct kvm *kvm)
{
	kvm_arch_destroy_vm(kvm);
	kvm_record_free(kvm);
	kvm_arch_free_vm(kvm);
}

long kvm_vm_ioctl(struct file *filp,
			   unsigned int ioctl, unsigned long arg)
{
	return kvm_arch_vm_ioctl(filp, ioctl, arg);
}

static long kvm_vm_compat_ioctl(struct file *filp,
			   unsigned int ioctl, unsigned long arg)
{
	int r;

	r = kvm_arch_vm_compat_ioctl(filp, ioctl, arg);
	if (r != -ENOTTY)
		return r;

	switch (ioctl) {
	default:
		r = kvm_record_vm_ioctl(filp, ioctl, arg);
	}
	return r;
}

static struct file_operations kvm_vm_fops = {
	.release        = kvm_vm_release,
	.unlocked_ioctl = kvm_record_vm_ioctl,
};

/* Near misses: the files of a vCPU and of the device. */
static struct file_operations kvm_vcpu_fops = {
	.unlocked_ioctl = kvm_vcpu_ioctl,
};

static int others(struct kvm *kvm, unsigned long type)
{
	long r = kvm_vm_ioctl(filp, ioctl, arg);

	kvm_arch_destroy_vm(kvm);
	return kvm_arch_init_vm(kvm, type);
}
