// SPDX-License-Identifier: GPL-2.0-only
/*
 * before-jump.c - is virtualization off on each CPU when a kexec leaves this kernel?
 *
 * A CPU that is told to stop is checked when it stops (stop_this_cpu()), the one that enters the
 * other kernel when all is done but the jump (machine_kexec()). If EFER.SVME or CR4.VMXE is set
 * there the result is "not ok", and the bit stays set. With crash=1 only the one that jumps is
 * checked, since the others stop in an NMI handler that offers no place for a last check.
 *
 * One result a CPU that is looked at, as TAP on the report port.
 */
#include <linux/cpumask.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>

#include "report.h"

static bool crash;
module_param(crash, bool, 0444);

static DEFINE_PER_CPU(bool, on);
static DEFINE_PER_CPU(bool, seen);

static int stops(struct kprobe *probe, struct pt_regs *regs)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	this_cpu_write(on, (efer & EFER_SVME) || (__read_cr4() & X86_CR4_VMXE));
	this_cpu_write(seen, true);
	return 0;
}

/* All others have stopped, or hang. */
static int jumps(struct kprobe *probe, struct pt_regs *regs)
{
	int cpu = raw_smp_processor_id(), i;

	stops(probe, regs);
	for_each_possible_cpu(i)
		if (READ_ONCE(per_cpu(seen, i)))
			report_tap(!per_cpu(on, i), "CPU %d has virtualization off when it %s", i,
				   i == cpu ? "jumps" : "stops");
	report_done();
	return 0;
}

static struct kprobe jump = { .symbol_name = "machine_kexec", .pre_handler = jumps };
static struct kprobe stop = { .symbol_name = "stop_this_cpu", .pre_handler = stops };

static int __init before_jump_init(void)
{
	int r = register_kprobe(&jump);

	if (r || crash)
		return r;
	r = register_kprobe(&stop);
	if (r)
		unregister_kprobe(&jump);
	return r;
}

static void __exit before_jump_exit(void)
{
	unregister_kprobe(&jump);
	if (!crash)
		unregister_kprobe(&stop);
}

module_init(before_jump_init);
module_exit(before_jump_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that looks at each CPU when a kexec leaves the kernel");
