// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold-vmx.c - another hypervisor: it has VMX on, on the CPU that its parameter names, while it is
 * loaded.
 */
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>

static int cpu = 1;
module_param(cpu, int, 0444);

static u32 *region;

static void on(void *failed)
{
	phys_addr_t at = __pa(region);

	cr4_set_bits(X86_CR4_VMXE);
	asm volatile("1: vmxon %1\n\tsetna %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+q"(*(bool *)failed) : "m"(at) : "cc", "memory");
	if (*(bool *)failed)
		cr4_clear_bits(X86_CR4_VMXE);
}

static void off(void *failed)
{
	asm volatile("1: vmxoff\n\tsetna %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+q"(*(bool *)failed) : : "cc", "memory");
	cr4_clear_bits(X86_CR4_VMXE);
}

static int __init hold_init(void)
{
	bool failed = true;
	u64 basic;
	int r;

	region = (void *)get_zeroed_page(GFP_KERNEL);
	if (!region)
		return -ENOMEM;
	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	*region = basic & 0x7fffffff;
	r = smp_call_function_single(cpu, on, &failed, 1);
	if (!r && failed)
		r = -EIO;
	if (r)
		free_page((unsigned long)region);
	return r;
}

static void __exit hold_exit(void)
{
	bool failed = true;

	smp_call_function_single(cpu, off, &failed, 1);
	if (failed)
		pr_err("VMX was not on any more\n");
	free_page((unsigned long)region);
}

module_init(hold_init);
module_exit(hold_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that holds VMX as another hypervisor would");
