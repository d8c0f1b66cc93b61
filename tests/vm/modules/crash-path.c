// SPDX-License-Identifier: GPL-2.0-only
/*
 * crash-path.c - what is left of VMX on each CPU when its emergency function has run.
 *
 * The parameters say which VMCS was active on which CPU, and whose it is: cpu=0,1 vmcs=ADDRESS,...
 * of=a,b. Writing "look" looks at them on each CPU, on load and whenever it is written:
 *
 *	vmxe	for each CPU: was CR4.VMXE on there?
 *	state	for each VMCS: the VM-instruction error of a VMRESUME that must fail, since its
 *		pin-based controls are made invalid: 5, it is clear, or 7, it is launched
 *		(SDM volume 3, 31.4); -1 where it cannot be loaded
 *
 * Where VMX is off the look switches it on, with a region of its own, and leaves it on, so that KVM
 * can end its VMs. Where VMX is on, the current VMCS and the controls are as before afterwards.
 *
 * With panic=1 it looks again on each CPU after a panic, when that CPU has done all that it does to
 * stop or to restart the machine, and writes TAP to the report port in frames of the type C.
 */
#include <linux/gfp.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>
#include <asm/vmx.h>

#include "report.h"

#define LIMIT		16
#define STATE_CLEAR	5

static int cpus[LIMIT], vmxe[LIMIT], states[LIMIT];
static unsigned long vmcss[LIMIT];
static char *of[LIMIT];
static int n_cpus, n_vmcss, n_of, n_vmxe, n_states;
static bool panic_too;

module_param_array_named(cpu, cpus, int, &n_cpus, 0444);
module_param_array_named(vmcs, vmcss, ulong, &n_vmcss, 0444);
module_param_array(of, charp, &n_of, 0444);
module_param_array(vmxe, int, &n_vmxe, 0444);
module_param_array_named(state, states, int, &n_states, 0444);
module_param_named(panic, panic_too, bool, 0444);

static u32 *region[LIMIT];
static bool reported[LIMIT];
static DEFINE_RAW_SPINLOCK(port);

static bool enter_vmx(phys_addr_t at)
{
	bool failed = true;

	asm volatile("1: vmxon %1\n\tsetna %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+q"(failed) : "m"(at) : "cc", "memory");
	return !failed;
}

static void leave_vmx(void)
{
	asm volatile("1: vmxoff\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "cc", "memory");
}

static bool load_vmcs(phys_addr_t at)
{
	bool failed = true;

	asm volatile("1: vmptrld %1\n\tsetna %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+q"(failed) : "m"(at) : "cc", "memory");
	return !failed;
}

static phys_addr_t current_vmcs(void)
{
	phys_addr_t at = ~0ULL;

	asm volatile("1: vmptrst %0\n2:\n" _ASM_EXTABLE(1b, 2b) : "+m"(at) : : "cc", "memory");
	return at;
}

static unsigned long read_field(unsigned long field)
{
	unsigned long value = 0;

	asm volatile("1: vmread %1, %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+r"(value) : "r"(field) : "cc");
	return value;
}

static void write_field(unsigned long field, unsigned long value)
{
	asm volatile("1: vmwrite %0, %1\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : : "r"(value), "r"(field) : "cc", "memory");
}

static int state_of(phys_addr_t vmcs)
{
	unsigned long pin, error;

	if (!load_vmcs(vmcs))
		return -1;
	pin = read_field(PIN_BASED_VM_EXEC_CONTROL);
	write_field(PIN_BASED_VM_EXEC_CONTROL, 0);	/* some of its bits must be 1 */
	asm volatile("1: vmresume\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "cc", "memory");
	error = read_field(VM_INSTRUCTION_ERROR);
	write_field(PIN_BASED_VM_EXEC_CONTROL, pin);
	return error;
}

/* On a CPU, interrupts off. */
static void look(void *unused)
{
	int cpu = smp_processor_id();
	phys_addr_t was = ~0ULL;
	int i;

	vmxe[cpu] = !!(__read_cr4() & X86_CR4_VMXE);
	if (vmxe[cpu]) {
		was = current_vmcs();
	} else {
		cr4_set_bits(X86_CR4_VMXE);
		if (!enter_vmx(__pa(region[cpu])))
			pr_err("VMXON fails on CPU %d\n", cpu);
	}
	for (i = 0; i < n_vmcss; i++)
		if (cpus[i] == cpu)
			states[i] = state_of(vmcss[i]);
	if (was != ~0ULL)
		load_vmcs(was);
}

static int look_set(const char *value, const struct kernel_param *param)
{
	if (region[0])	/* else it is given as the module is loaded */
		on_each_cpu(look, NULL, 1);
	return 0;
}

static const struct kernel_param_ops look_ops = { .set = look_set };
module_param_cb(look, &look_ops, NULL, 0200);

static int report(struct kprobe *probe, struct pt_regs *regs)
{
	int cpu = raw_smp_processor_id();
	int i;

	if (reported[cpu])
		return 0;
	reported[cpu] = true;
	look(NULL);
	leave_vmx();
	cr4_clear_bits(X86_CR4_VMXE);
	raw_spin_lock(&port);
	report_tap(!vmxe[cpu], "CPU %d has VMX off after the panic", cpu);
	for (i = 0; i < n_vmcss; i++)
		if (cpus[i] == cpu)
			report_tap(states[i] == STATE_CLEAR,
				   "CPU %d: VMCS %d, of %s, is clear: %d", cpu, i, of[i],
				   states[i]);
	report_done();
	raw_spin_unlock(&port);
	return 0;
}

/* The last function on a CPU that is told to stop, and on the one that restarts the machine. */
static struct kprobe probes[] = {
	{ .symbol_name = "stop_this_cpu", .pre_handler = report },
	{ .symbol_name = "tboot_shutdown", .pre_handler = report },
};

static void free_regions(void)
{
	int i;

	for (i = 0; i < LIMIT; i++)
		free_page((unsigned long)region[i]);
}

static int __init crash_init(void)
{
	u64 basic;
	int i, r;

	if (n_cpus != n_vmcss || n_cpus != n_of || num_online_cpus() > LIMIT)
		return -EINVAL;
	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	for (i = 0; i < LIMIT; i++) {
		region[i] = (void *)get_zeroed_page(GFP_KERNEL);
		if (!region[i]) {
			free_regions();
			return -ENOMEM;
		}
		*region[i] = basic & 0x7fffffff;
	}
	n_vmxe = num_online_cpus();
	n_states = n_vmcss;
	for (i = 0; panic_too && i < ARRAY_SIZE(probes); i++) {
		r = register_kprobe(&probes[i]);
		if (r) {
			pr_err("no probe at %s\n", probes[i].symbol_name);
			if (i)
				unregister_kprobe(&probes[0]);
			free_regions();
			return r;
		}
	}
	on_each_cpu(look, NULL, 1);
	return 0;
}

/* Nobody has VMX on with a region of ours any more: the last VM switched it off. */
static void __exit crash_exit(void)
{
	int i;

	for (i = 0; panic_too && i < ARRAY_SIZE(probes); i++)
		unregister_kprobe(&probes[i]);
	free_regions();
}

module_init(crash_init);
module_exit(crash_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that looks at VMX after the kernel's emergency path");
