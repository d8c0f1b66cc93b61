// SPDX-License-Identifier: GPL-2.0-only
// rule: device-by-vac
// why: /dev/kvm is one minor: the instance has its own device, and vac hands it the opens of
//   /dev/kvm while it is the default
// hazard: 19
// files: virt/kvm/kvm_main.c   hits: 3

@device@
position hit;
expression fops;
@@
 static struct miscdevice kvm_dev@hit = {
- KVM_MINOR, "kvm",
+ MISC_DYNAMIC_MINOR, KVM_INSTANCE_NAME,
 fops,
 };

@del_device@
position hit;
@@
+ vac_device_del(kvm_vac);
 misc_deregister@hit(&kvm_dev);

@add_device@
position hit;
expression r;
@@
 r = misc_register@hit(&kvm_dev);
 if (r) { ... }
+ r = vac_device_add(kvm_vac, &(struct vac_device_ops){
+ 	.size = sizeof(struct vac_device_ops),
+ 	.fops = &kvm_chardev_ops,
+ });
+ if (r) {
+ 	misc_deregister(&kvm_dev);
+ 	goto err_register;
+ }
