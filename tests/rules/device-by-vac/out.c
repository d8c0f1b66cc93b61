// SPDX-License-Identifier: GPL-2.0-only
static const struct file_operations kvm_chardev_ops = {
	.open = open_it,
};

static struct miscdevice kvm_dev = {
	MISC_DYNAMIC_MINOR,  KVM_INSTANCE_NAME,
	&kvm_chardev_ops,
};

/* Near misses: another device, and another minor. */
static struct miscdevice other_dev = {
	OTHER_MINOR,
	"kvm",
	&kvm_chardev_ops,
};

static int start(void)
{
	int r;

	r = misc_register(&other_dev);
	if (r) {
		log(r);
		goto err_register;
	}

	r = misc_register(&kvm_dev);
	if (r) {
		log(r);
		goto err_register;
	}
	r = vac_device_add(kvm_vac, &(struct vac_device_ops){
			.size = sizeof(struct vac_device_ops),
			.fops = &kvm_chardev_ops,
		});
	if (r) {
		misc_deregister(&kvm_dev);
		goto err_register;
	}
	return 0;

err_register:
	undo();
	return r;
}

static void stop(void)
{
	vac_device_del(kvm_vac);
	misc_deregister(&kvm_dev);
	misc_deregister(&other_dev);
}
