// SPDX-License-Identifier: GPL-2.0-only
static int kvm_cpu_vmxoff(void)
{
	asm goto("1: vmxoff\n\t"
		 _ASM_EXTABLE(1b, %l[fault])
		 ::: "cc", "memory" : fault);

	cr4_clear_bits(X86_CR4_VMXE);
	return 0;

fault:
	cr4_clear_bits(X86_CR4_VMXE);
	return -EIO;
}

/* Near miss: another function's. */
static int other_cpu_vmxoff(void)
{
	return kvm_cpu_vmxoff();
}
