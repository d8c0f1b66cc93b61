// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm.c - what an AMD CPU has once: EFER.SVME and the host-save area (hazards
 * 1 and 5), the emergency callback (3), ASIDs and the flush with which a new
 * generation of them begins (7), the TSC ratio (10), the PMU switch (17).
 *
 * All of it is per CPU and used on that CPU only.
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
#include <asm/msr.h>
#include <asm/reboot.h>
#include <asm/svm.h>

#include "internal.h"
#include "trace.h"

/* MSR_AMD64_TSC_RATIO is an 8.32 fixed point number; this is 1.0. */
#define TSC_RATIO_ONE	(1ULL << 32)

/* ASID 0 is the host's (APM volume 2, 15.5.1). SEV, which reserves some ASIDs, is refused. */
#define ASID_MIN	1

/*
 * Where a VM exit of an SEV-ES guest finds the host's TSC_AUX: in the host-save area, which is laid
 * out as a VMSA from here on (APM volume 2, 15.35.8 and table B-4).
 */
#define SAVE_AREA_TSC_AUX	(0x400 + 0x2ec)

struct svm_cpu {
	void *save_area;
	u64 asid_generation;
	u32 next_asid;
	u32 max_asid;
	u64 tsc_ratio;
};

/* 1.0 after reset. On Intel, which has no such MSR, 1.0 is also all that is ever set. */
static DEFINE_PER_CPU(struct svm_cpu, svm_cpu) = { .tsc_ratio = TSC_RATIO_ONE };

/**
 * vac_svm_save_area() - The page of VM_HSAVE_PA of a CPU.
 * @cpu: a possible CPU.
 *
 * It belongs to the machine, not to an instance: VMRUN stores host state there
 * whoever enabled SVM (hazard 5).
 *
 * Context: any.
 * Return: its address in the direct mapping; it stays while vac is loaded.
 */
void *vac_svm_save_area(unsigned int cpu)
{
	return per_cpu(svm_cpu.save_area, cpu);
}
VAC_EXPORT(vac_svm_save_area);

/**
 * vac_svm_asid_generation() - The generation in which ASIDs are given out on this CPU.
 *
 * An ASID of an older generation may be in use by any instance's vCPU. An
 * instance takes a copy when vac_vcpu_switch() says VAC_LAST_OTHER; until its
 * vCPU is put only its own vac_svm_asid_alloc() or _flush_failed() changes it.
 *
 * Context: this CPU, preemption off.
 * Return: the generation, never 0 while virtualization is on.
 */
u64 vac_svm_asid_generation(void)
{
	return this_cpu_read(svm_cpu.asid_generation);
}
VAC_EXPORT(vac_svm_asid_generation);

/**
 * vac_svm_asid_alloc() - An ASID that no other vCPU of this generation has.
 * @inst: who takes it.
 * @generation: receives the generation it belongs to.
 * @asid: receives the ASID.
 *
 * Context: this CPU, interrupts off, right before VMRUN.
 * Return: true if a new generation begins with it and all ASIDs must be
 * flushed from the TLB by that VMRUN (TLB_CONTROL_FLUSH_ALL_ASID). If the VMRUN
 * fails, vac_svm_asid_flush_failed() follows.
 */
bool vac_svm_asid_alloc(struct vac_instance *inst, u64 *generation, u32 *asid)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);
	bool flush = false;
	u64 held;

	if (c->next_asid > c->max_asid) {
		c->asid_generation++;
		c->next_asid = ASID_MIN;
		flush = true;
	}
	*generation = c->asid_generation;
	*asid = c->next_asid++;

	held = this_cpu_read(*inst->asids);
	if (held >> 32 != (u32)c->asid_generation)
		held = c->asid_generation << 32;
	this_cpu_write(*inst->asids, held + 1);
	trace_vac_svm_asid_alloc(inst->desc.tag, *generation, *asid, flush);
	return flush;
}
VAC_EXPORT(vac_svm_asid_alloc);

/**
 * vac_svm_asid_flush_failed() - The VMRUN that was to flush all ASIDs failed.
 *
 * A VMRUN that ends in VMEXIT_INVALID may not have flushed the TLB, and whoever may
 * open the device can cause one. So the generation that it was to begin is void, with
 * all its ASIDs, and the next vac_svm_asid_alloc() here, of whichever instance, begins
 * another one and asks for the flush again. No generation is in use on a CPU that did
 * not begin with a flush.
 *
 * An instance calls it where it sees the failure, before anybody else can enter a
 * guest here. It need not know whether the flush was done: a call too many costs one
 * flush.
 *
 * Context: this CPU, interrupts off since the failed VMRUN.
 * Return: the new generation, in which no ASID was given out yet; it replaces the
 * instance's copy.
 */
u64 vac_svm_asid_flush_failed(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);

	c->asid_generation++;
	c->next_asid = c->max_asid + 1;
	return c->asid_generation;
}
VAC_EXPORT(vac_svm_asid_flush_failed);

/**
 * vac_svm_tsc_ratio_set() - The TSC ratio of the guest that runs next here.
 * @ratio: in MSR_AMD64_TSC_RATIO's 8.32 format.
 *
 * The only copy of what the MSR holds is vac's (hazard 10). An instance that
 * does not scale (tsc_scaling=0) never calls this: when the instance changes on a
 * CPU, vac_vcpu_switch() puts 1.0 there.
 *
 * Context: any but NMI.
 */
void vac_svm_tsc_ratio_set(u64 ratio)
{
	preempt_disable();
	if (ratio != __this_cpu_read(svm_cpu.tsc_ratio)) {
		wrmsrl(MSR_AMD64_TSC_RATIO, ratio);
		__this_cpu_write(svm_cpu.tsc_ratio, ratio);
	}
	preempt_enable();
}
VAC_EXPORT(vac_svm_tsc_ratio_set);

/* Another instance's vCPU is loaded here, preemption off: drop the last guest's ratio. */
void vac_svm_change_instance(void)
{
	vac_svm_tsc_ratio_set(TSC_RATIO_ONE);
}

/* ASIDs that the instance was given in the current generation of each CPU. */
unsigned int vac_svm_asids(struct vac_instance *inst)
{
	unsigned int cpu, sum = 0;

	if (!READ_ONCE(inst->users))
		return 0;	/* ASIDs end with the vCPUs that carry them */
	for_each_online_cpu(cpu) {
		u64 held = READ_ONCE(*per_cpu_ptr(inst->asids, cpu));

		if (held >> 32 == (u32)per_cpu(svm_cpu.asid_generation, cpu))
			sum += (u32)held;
	}
	return sum;
}

static void look_ipi(void *on)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
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
		pr_err("refused: SVM is on already (CPU %*pbl): another hypervisor uses it; unload that first\n",
		       cpumask_pr_args(on));
		r = -EALREADY;
	}
	free_cpumask_var(on);
	return r;
}

static void free_save_areas(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(svm_cpu.save_area, cpu));
		per_cpu(svm_cpu.save_area, cpu) = NULL;
	}
}

/*
 * On an SEV-SNP host VMRUN may fault where its host-save area begins a 2 MiB
 * page (snp_safe_alloc_page() in KVM): the second page of a pair never does.
 */
static struct page *alloc_save_area(unsigned int cpu)
{
	struct page *pair = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 1);

	if (!pair)
		return NULL;
	split_page(pair, 1);
	__free_page(pair);
	return pair + 1;
}

/*
 * GIF must be 1 when SVM goes off, else INIT and NMI stay blocked (APM volume
 * 2, 15.17); a crash may have switched SVM off before, then STGI faults.
 */
static void svme_off(void)
{
	u64 efer;

	wrmsrl(MSR_VM_HSAVE_PA, 0);
	rdmsrl(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	asm volatile("1: stgi\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "memory");
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

/*
 * Crash or emergency reboot, on each CPU, possibly in NMI context, interrupts
 * off. The 6.1 kernel switches SVM off itself after this, without harm.
 */
static void emergency(void)
{
	struct vac_instance *inst;

	list_for_each_entry_rcu(inst, &vac.instances, link, true)
		inst->desc.rebooting();
	svme_off();
}

static int setup(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct page *page = alloc_save_area(cpu);

		if (!page) {
			free_save_areas();
			return -ENOMEM;
		}
		per_cpu(svm_cpu.save_area, cpu) = page_address(page);
	}
	cpu_emergency_register_virt_callback(emergency);
	return 0;
}

static void teardown(void)
{
	cpu_emergency_unregister_virt_callback(emergency);
	free_save_areas();
}

/*
 * The kernel never changes TSC_AUX, so it is written to the page once, as
 * svm_enable_virtualization_cpu() of 6.12 does. No guest's value is in the MSR: virtualization
 * was off until now, and user-return MSRs went back to the host's before that.
 */
static void prime_tsc_aux(struct svm_cpu *c)
{
	u64 tsc_aux;

	if (!boot_cpu_has(X86_FEATURE_V_TSC_AUX))
		return;
	rdmsrl(MSR_TSC_AUX, tsc_aux);
	*(u32 *)(c->save_area + SAVE_AREA_TSC_AUX) = tsc_aux;
}

static int cpu_on(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME) {
		pr_err_ratelimited("SVM is on already on CPU %d: another hypervisor uses it; unload that first\n",
				   smp_processor_id());
		return -EBUSY;
	}
	/*
	 * A vCPU may come back with an ASID from before SVM went off: a new
	 * generation makes it stale. The first vac_svm_asid_alloc() begins the
	 * generation after that, with a flush.
	 */
	c->asid_generation++;
	c->max_asid = cpuid_ebx(SVM_CPUID_FUNC) - 1;
	c->next_asid = c->max_asid + 1;

	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, __sme_pa(c->save_area));
	/* The firmware or another hypervisor may have left another ratio, or a suspend lost it. */
	if (boot_cpu_has(X86_FEATURE_TSCRATEMSR))
		wrmsrl(MSR_AMD64_TSC_RATIO, TSC_RATIO_ONE);
	c->tsc_ratio = TSC_RATIO_ONE;
	prime_tsc_aux(c);
	amd_pmu_enable_virt();
	return 0;
}

static void cpu_off(void)
{
	vac_srso_cpu_off();
	vac_svm_tsc_ratio_set(TSC_RATIO_ONE);
	svme_off();
	amd_pmu_disable_virt();
}

static void show(struct seq_file *m, unsigned int cpu)
{
	struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);
	u64 efer = 0, save_area = 0;

	rdmsrl_safe_on_cpu(cpu, MSR_EFER, &efer);
	rdmsrl_safe_on_cpu(cpu, MSR_VM_HSAVE_PA, &save_area);
	seq_printf(m, "efer_svme=%d hsave=%llx asid_gen=%llu next_asid=%u max_asid=%u tsc_ratio=%llx srso=%d",
		   !!(efer & EFER_SVME), save_area, READ_ONCE(c->asid_generation),
		   READ_ONCE(c->next_asid), READ_ONCE(c->max_asid), READ_ONCE(c->tsc_ratio),
		   READ_ONCE(per_cpu(vac_svm_srso_reduced, cpu)));
}

const struct vac_vendor vac_vendor_svm = {
	.name = "amd",
	.capabilities = VAC_CAP_SVM | VAC_CAP_ASID | VAC_CAP_TSC_RATIO | VAC_CAP_SRSO |
			VAC_CAP_VFIO | VAC_CAP_VM | VAC_CAP_CLOSING | VAC_CAP_FLUSH_CONFIRM,
	.refuse = refuse,
	.setup = setup,
	.teardown = teardown,
	.cpu_on = cpu_on,
	.cpu_off = cpu_off,
	.show = show,
};
