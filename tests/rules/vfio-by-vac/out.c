// SPDX-License-Identifier: GPL-2.0-only
static int kvm_vfio_file_add(struct kvm_device *dev, unsigned int fd)
{
	struct kvm_vfio *kv = dev->private;
	struct file *filp;
	int ret = 0;

	filp = fget(fd);
	if (!filp)
		return -EBADF;

	if (!kvm_vfio_file_is_valid(filp)) {
		ret = -EINVAL;
		goto out_fput;
	}

	ret = vac_vfio_add(dev->kvm->arch.vac_vm, &(struct vac_vfio_ops){
			.size = sizeof(struct vac_vfio_ops),
			.get = kvm_get_kvm_safe,
			.put = kvm_put_kvm,
		});
	if (ret)
		goto out_fput;
	mutex_lock(&kv->lock);
	list_for_each_entry(kvf, &kv->file_list, node) {
		if (kvf->file == filp) {
			ret = -EEXIST;
			goto out_unlock;
		}
	}
	kvm_vfio_file_set_kvm(filp, dev->kvm);
out_unlock:
	mutex_unlock(&kv->lock);
out_fput:
	fput(filp);
	return ret;
}

/* A near miss: the same lock. */
static int kvm_vfio_file_del(struct kvm_device *dev, unsigned int fd)
{
	struct kvm_vfio *kv = dev->private;
	int ret;

	mutex_lock(&kv->lock);
	ret = 0;
	mutex_unlock(&kv->lock);
	return ret;
}

static void kvm_vfio_release(struct kvm_device *dev)
{
	struct kvm_vfio *kv = dev->private;
	struct kvm_vfio_file *kvf, *tmp;

	list_for_each_entry_safe(kvf, tmp, &kv->file_list, node) {
		list_del(&kvf->node);
		kfree(kvf);
	}
	vac_vfio_del(dev->kvm->arch.vac_vm);
	kfree(kv);
	kfree(dev);
}
