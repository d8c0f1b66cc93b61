// SPDX-License-Identifier: GPL-2.0-only
/* Near misses: a caller, a declaration, a neighbour that reads the same. */
static int kvm_cpu_vmxon(u64 vmxon_pointer);

static int kvm_cpu_vmxon_count(u64 vmxon_pointer)
{
	asm goto("1: other %[area]\n\t"
		 : : [area] "m"(vmxon_pointer) : : fault);
	return 0;
fault:
	return -EFAULT;
}

static int kvm_cpu_vmxon(u64 vmxon_pointer)
{
	asm goto("1: vmxon %[area]\n\t"
		 : : [area] "m"(vmxon_pointer) : : fault);
	return 0;
fault:
	return -EFAULT;
}

static int start(void)
{
	return kvm_cpu_vmxon(1);
}
