// SPDX-License-Identifier: GPL-2.0-only
// rule: vfio-by-vac
// why: newer VFIO looks KVM up by name and finds vac: vac must know the VM's instance from before
//   VFIO learns of the VM until VFIO cannot ask for it any more. Not under the lock: the first call
//   may load a module
// hazard: 21
// files: virt/kvm/vfio.c   hits: 2
// when: virt/kvm/vfio.c has kvm_vfio_file_is_valid

@add@
position hit;
identifier dev, kv, ret;
@@
 static int kvm_vfio_file_add(struct kvm_device *dev, ...)
 {
 	...
+ 	ret = vac_vfio_add(dev->kvm->arch.vac_vm, &(struct vac_vfio_ops){
+ 	.size = sizeof(struct vac_vfio_ops),
+ 	.get = kvm_get_kvm_safe,
+ 	.put = kvm_put_kvm,
+ });
+ 	if (ret)
+ 		goto out_fput;
 	mutex_lock@hit(&kv->lock);
 	...
 	return ret;
 }

@del@
position hit;
identifier dev, kv;
@@
 static void kvm_vfio_release(struct kvm_device *dev)
 {
	struct kvm_vfio *kv = dev->private;
 	...
+ 	vac_vfio_del(dev->kvm->arch.vac_vm);
 	kfree@hit(kv);
 	...
 }
