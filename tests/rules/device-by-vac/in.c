// SPDX-License-Identifier: GPL-2.0-only
static const struct file_operations kvm_chardev_ops = {
	.open = open_it,
};

static struct miscdevice kvm_dev = {
	KVM_MINOR,
	"kvm",
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
	return 0;

err_register:
	undo();
	return r;
}

static void stop(void)
{
	misc_deregister(&kvm_dev);
	misc_deregister(&other_dev);
}
