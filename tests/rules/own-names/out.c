// SPDX-License-Identifier: GPL-2.0-only
/* Near misses: names that VMMs look for, a folder in a folder, another cache. */
static int vm_fd(void)
{
	return anon_inode_getfd("kvm-vm", &vm_ops, 0, 0);
}

static struct dentry *vm_folder(struct dentry *parent)
{
	return debugfs_create_dir("kvm", parent);
}

static int init(unsigned int size)
{
	folder = debugfs_create_dir(KVM_INSTANCE_NAME, NULL);
	one = debugfs_create_dir("kvm-one", NULL);
	vcpus = kmem_cache_create_usercopy(KVM_OWN_NAME("-vcpu"), size, 8,
					   SLAB_ACCOUNT, 0, size, NULL);
	others = kmem_cache_create_usercopy("kvm_vcpus", size, 8, SLAB_ACCOUNT, 0, size, NULL);
	return vcpus && others ? 0 : -ENOMEM;
}
