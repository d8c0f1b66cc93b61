// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmx.c - what an Intel CPU has once: VMXON and its region (hazard 1), the
 * emergency callback (3), the posted-interrupt wakeup vector (14), the switch
 * between VMX and Processor Trace (17).
 *
 * A VMXON is followed by one flush of all EPT translations in the TLB, as in KVM of
 * 6.1: VMX may have been on before, for another hypervisor. No other flush is needed
 * here. An instance whose first VM comes later does none (rule ept-flush-by-vac).
 * Such translations are tagged with the address of the root page, and KVM itself
 * flushes before a vCPU enters: all of them when it comes from another CPU or runs
 * for the first time (KVM_REQ_TLB_FLUSH), and those of its root whenever it loads a
 * new one (kvm_mmu_load(), which says that another hypervisor may have left some). A
 * page that was a root of one instance and becomes one of another is such a new
 * root; while it is in use nobody else has it. Under one KVM a VM that starts while
 * others run gets no more flushes than that either.
 *
 * The current VMCS (4) needs no code here: vcpu.c tells an instance when its idea of
 * it is out of date.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/irq.h>
#include <asm/msr.h>
#include <asm/reboot.h>
#include <asm/tlbflush.h>
#include <asm/vmx.h>

#include "internal.h"
#include "trace.h"

static DEFINE_PER_CPU(void *, vmxon_region);
static bool can_flush_ept;	/* since setup() */

/* 0, or -EIO where it faults (SDM volume 3, 31.3: FEAT_CTL, CR0, CR4) or fails. */
static int vmx_on(phys_addr_t region)
{
	asm goto("1: vmxon %0\n\t"
		 "jbe %l[fail]\n\t"
		 _ASM_EXTABLE(1b, %l[fail])
		 : : "m"(region) : "cc", "memory" : fail);
	return 0;
fail:
	return -EIO;
}

/*
 * VMXOFF faults where VMX is off, as a crash may have left it: then only CR4 is left
 * to do.
 */
static void vmx_off(void)
{
	asm goto("1: vmxoff\n\t"
		 _ASM_EXTABLE(1b, %l[off])
		 : : : "cc", "memory" : off);
off:
	cr4_clear_bits(X86_CR4_VMXE);
}

/*
 * On the CPU, interrupts off, right after VMXON; of all roots (SDM volume 3,
 * 31.3, INVEPT). 0, or -EIO where it fails or faults.
 */
static int flush_ept(void)
{
	struct { u64 eptp, zero; } descriptor = { 0, 0 };

	if (!can_flush_ept)
		return 0;
	asm goto("1: invept %0, %1\n\t"
		 "jbe %l[fail]\n\t"
		 _ASM_EXTABLE(1b, %l[fail])
		 : : "m"(descriptor), "r"((unsigned long)VMX_EPT_EXTENT_GLOBAL)
		 : "cc", "memory" : fail);
	trace_vac_vmx_ept_flush(smp_processor_id());
	return 0;
fail:
	return -EIO;
}

/*
 * Crash or emergency reboot, on each CPU, possibly in NMI context, interrupts
 * off: every instance clears its VMCSs here before VMX goes off, else their
 * write-back would hit memory of the crash kernel. A second call finds VMX off,
 * where VMCLEAR faults.
 */
static void emergency(void)
{
	struct vac_instance *inst;

	if (!(__read_cr4() & X86_CR4_VMXE))
		return;
	list_for_each_entry_rcu(inst, &vac.instances, link, true) {
		void (*clear)(void) = READ_ONCE(inst->emergency_clear);

		if (clear)
			clear();
	}
	vmx_off();
}

/* The wakeup vector's handler, hard IRQ: each instance walks its own lists. */
static void pi_wakeup(void)
{
	struct vac_instance *inst;

	rcu_read_lock();
	list_for_each_entry_rcu(inst, &vac.instances, link) {
		void (*wakeup)(void) = READ_ONCE(inst->pi_wakeup);

		if (wakeup)
			wakeup();
	}
	rcu_read_unlock();
}

/**
 * vac_vmx_emergency_register() - How an instance clears its VMCSs of a CPU.
 * @inst: the instance.
 * @clear: called on the CPU, crash path, NMI-safe, takes no lock.
 *
 * Context: process context.
 */
void vac_vmx_emergency_register(struct vac_instance *inst, void (*clear)(void))
{
	WRITE_ONCE(inst->emergency_clear, clear);
}
VAC_EXPORT(vac_vmx_emergency_register);

/**
 * vac_vmx_emergency_unregister() - The reverse.
 * @inst: the instance.
 *
 * Context: process context; waits until no crash path runs the callback.
 */
void vac_vmx_emergency_unregister(struct vac_instance *inst)
{
	WRITE_ONCE(inst->emergency_clear, NULL);
	synchronize_rcu();
}
VAC_EXPORT(vac_vmx_emergency_unregister);

/**
 * vac_vmx_pi_wakeup_register() - How an instance wakes its blocked vCPUs.
 * @inst: the instance; its per-CPU lists are ready.
 * @wakeup: called in hard IRQ context.
 *
 * Context: process context.
 */
void vac_vmx_pi_wakeup_register(struct vac_instance *inst, void (*wakeup)(void))
{
	WRITE_ONCE(inst->pi_wakeup, wakeup);
}
VAC_EXPORT(vac_vmx_pi_wakeup_register);

/**
 * vac_vmx_pi_wakeup_unregister() - The reverse.
 * @inst: the instance.
 *
 * Context: process context; waits for interrupts under way.
 */
void vac_vmx_pi_wakeup_unregister(struct vac_instance *inst)
{
	WRITE_ONCE(inst->pi_wakeup, NULL);
	synchronize_rcu();
}
VAC_EXPORT(vac_vmx_pi_wakeup_unregister);

static void look_ipi(void *on)
{
	if (__read_cr4() & X86_CR4_VMXE)
		cpumask_set_cpu(smp_processor_id(), on);
}

static int refuse(void)
{
	cpumask_var_t on;
	int r = 0;

	if (!zalloc_cpumask_var(&on, GFP_KERNEL))
		return -ENOMEM;
	on_each_cpu(look_ipi, on, 1);
	if (!cpumask_empty(on)) {
		pr_err("refused: VMX is on already (CPU %*pbl): another hypervisor uses it; unload that first\n",
		       cpumask_pr_args(on));
		r = -EALREADY;
	}
	free_cpumask_var(on);
	return r;
}

static void free_regions(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmxon_region, cpu));
		per_cpu(vmxon_region, cpu) = NULL;
	}
}

static int setup(void)
{
	unsigned int cpu;
	u64 basic, ept;

	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	/* The MSR is there only where EPT or VPID is. */
	if (rdmsrl_safe(MSR_IA32_VMX_EPT_VPID_CAP, &ept))
		ept = 0;
	can_flush_ept = ept & VMX_EPT_INVEPT_BIT && ept & VMX_EPT_EXTENT_GLOBAL_BIT;
	for_each_possible_cpu(cpu) {
		struct page *page = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);

		if (!page) {
			free_regions();
			return -ENOMEM;
		}
		per_cpu(vmxon_region, cpu) = page_address(page);
		/* SDM volume 3, 25.11.5: the VMCS revision identifier, bit 31 clear. */
		*(u32 *)page_address(page) = basic & 0x7fffffff;
	}
	vac_vpid_setup();
	cpu_emergency_register_virt_callback(emergency);
	kvm_set_posted_intr_wakeup_handler(pi_wakeup);
	return 0;
}

static void teardown(void)
{
	kvm_set_posted_intr_wakeup_handler(NULL);
	cpu_emergency_unregister_virt_callback(emergency);
	synchronize_rcu();
	free_regions();
}

static int cpu_on(void)
{
	if (__read_cr4() & X86_CR4_VMXE) {
		pr_err_ratelimited("VMX is on already on CPU %d: another hypervisor uses it; unload that first\n",
				   smp_processor_id());
		return -EBUSY;
	}
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	if (vmx_on(__pa(this_cpu_read(vmxon_region)))) {
		pr_err_ratelimited("VMXON fails on CPU %d\n", smp_processor_id());
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return -EIO;
	}
	if (flush_ept() || vac_vpid_cpu_on()) {
		pr_err_ratelimited("INVEPT or INVVPID fails on CPU %d\n", smp_processor_id());
		vmx_off();
		intel_pt_handle_vmx(0);
		return -EIO;
	}
	return 0;
}

static void cpu_off(void)
{
	vmx_off();
	intel_pt_handle_vmx(0);
}

/* What the hardware of a CPU says. */
struct report {
	bool vmxe;
	u64 vmcs;		/* ~0: none is current */
	unsigned long vpid;	/* of the current VMCS */
};

/* VMX is on. VMREAD fails where no VMCS is current, VMPTRST then stores ~0. */
static void report_ipi(void *data)
{
	struct report *report = data;
	bool failed = true;

	report->vmxe = __read_cr4() & X86_CR4_VMXE;
	if (!this_cpu_read(vac_cpu.on))
		return;
	asm volatile("1: vmptrst %0\n2:\n" _ASM_EXTABLE(1b, 2b) : "+m"(report->vmcs) : : "cc");
	asm volatile("1: vmread %2, %0\n\tsetna %1\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+r"(report->vpid), "+q"(failed)
		     : "r"((unsigned long)VIRTUAL_PROCESSOR_ID) : "cc");
	if (failed)
		report->vpid = 0;
}

static void show(struct seq_file *m, unsigned int cpu)
{
	struct report report = { .vmcs = ~0ULL };

	smp_call_function_single(cpu, report_ipi, &report, 1);
	seq_printf(m, "cr4_vmxe=%d vmcs=%llx vpid=%lu", report.vmxe, report.vmcs, report.vpid);
}

const struct vac_vendor vac_vendor_vmx = {
	.name = "intel",
	.capabilities = VAC_CAP_VMX | VAC_CAP_VPID | VAC_CAP_VFIO | VAC_CAP_VM | VAC_CAP_CLOSING,
	.refuse = refuse,
	.setup = setup,
	.teardown = teardown,
	.cpu_on = cpu_on,
	.cpu_off = cpu_off,
	.show = show,
};
