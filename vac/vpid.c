// SPDX-License-Identifier: GPL-2.0-only
/*
 * vpid.c - hazard 6: VPIDs, the tags of a guest's translations in an Intel
 * CPU's TLB.
 *
 * One number space for all instances. VPID 0 is the host's and never handed
 * out. A VPID that comes back is not given out again before every CPU has
 * thrown away what it tagged: KVM flushes its own new VPIDs, but vac does not
 * rely on how each instance does it. So freed VPIDs wait until no fresh one
 * is left; then one INVVPID of all contexts on each CPU makes all of them
 * fresh. A CPU on which virtualization is off is flushed when it is switched
 * on.
 */
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/mutex.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/vmx.h>

#include "internal.h"
#include "trace.h"

#define VPIDS	65536	/* SDM volume 3, 29.1: 16 bits */

static struct {
	struct mutex lock;		/* of allocation, which may flush; outermost */
	spinlock_t bits;		/* of the bitmaps used and freed; process context */
	bool flushable;			/* INVVPID can flush all contexts */
	DECLARE_BITMAP(used, VPIDS);	/* handed out, or freed and not flushed since */
	DECLARE_BITMAP(freed, VPIDS);
	DECLARE_BITMAP(flushing, VPIDS);	/* under lock */
	bool failed;			/* under lock: a CPU did not flush */
} vpids = {
	.lock = __MUTEX_INITIALIZER(vpids.lock),
	.bits = __SPIN_LOCK_UNLOCKED(vpids.bits),
};

/*
 * All contexts: every mapping tagged with a VPID other than 0 (SDM volume 3,
 * 31.3, INVVPID). -EIO where it fails, or faults because VMX is off, which a crash
 * may cause at any time.
 */
static int flush_this_cpu(void)
{
	struct { u64 vpid, address; } descriptor = { 0, 0 };

	if (!vpids.flushable)
		return 0;
	asm goto("1: invvpid %0, %1\n\t"
		 "jbe %l[fail]\n\t"
		 _ASM_EXTABLE(1b, %l[fail])
		 : : "m"(descriptor), "r"((unsigned long)VMX_VPID_EXTENT_ALL_CONTEXT)
		 : "cc", "memory" : fail);
	trace_vac_vmx_vpid_flush(smp_processor_id());
	return 0;
fail:
	return -EIO;
}

static void flush_ipi(void *unused)
{
	if (this_cpu_read(vac_cpu.on) && flush_this_cpu())
		WRITE_ONCE(vpids.failed, true);
}

/* Under vpids.bits. */
static int take(void)
{
	int vpid = find_first_zero_bit(vpids.used, VPIDS);

	if (vpid == VPIDS)
		return 0;
	__set_bit(vpid, vpids.used);
	return vpid;
}

/**
 * vac_vmx_vpid_alloc() - A VPID that tags nothing on any CPU.
 * @inst: who takes it.
 *
 * Behaves as allocate_vpid() of arch/x86/kvm/vmx/vmx.c: running out of VPIDs
 * is no error.
 *
 * Context: process context, interrupts on; may sleep and send IPIs.
 * Return: the VPID, or 0: the vCPU runs untagged, and each VM entry and exit
 * flushes.
 */
int vac_vmx_vpid_alloc(struct vac_instance *inst)
{
	int vpid = 0;

	if (!vpids.flushable)
		return 0;
	mutex_lock(&vpids.lock);
	spin_lock(&vpids.bits);
	vpid = take();
	if (!vpid && !bitmap_empty(vpids.freed, VPIDS)) {
		/* What is freed from here on waits for the next flush. */
		bitmap_copy(vpids.flushing, vpids.freed, VPIDS);
		bitmap_zero(vpids.freed, VPIDS);
		spin_unlock(&vpids.bits);
		vpids.failed = false;
		on_each_cpu(flush_ipi, NULL, 1);
		spin_lock(&vpids.bits);
		if (READ_ONCE(vpids.failed)) {
			bitmap_or(vpids.freed, vpids.freed, vpids.flushing, VPIDS);
		} else {
			bitmap_andnot(vpids.used, vpids.used, vpids.flushing, VPIDS);
			vpid = take();
		}
	}
	spin_unlock(&vpids.bits);
	trace_vac_vmx_vpid_alloc(inst->desc.tag, vpid);
	mutex_unlock(&vpids.lock);
	if (vpid)
		atomic_inc(&inst->vpids);
	return vpid;
}
VAC_EXPORT(vac_vmx_vpid_alloc);

/**
 * vac_vmx_vpid_free() - Give a VPID back.
 * @inst: who had it.
 * @vpid: the VPID; no vCPU runs with it any more. 0 is ignored.
 *
 * Context: process context.
 */
void vac_vmx_vpid_free(struct vac_instance *inst, int vpid)
{
	if (!vpid)
		return;
	spin_lock(&vpids.bits);
	WARN_ON_ONCE(!test_bit(vpid, vpids.used) || __test_and_set_bit(vpid, vpids.freed));
	spin_unlock(&vpids.bits);
	atomic_dec(&inst->vpids);
}
VAC_EXPORT(vac_vmx_vpid_free);

void vac_vpid_setup(void)
{
	u64 caps;

	/* The MSR is there only where EPT or VPID is. */
	if (rdmsrl_safe(MSR_IA32_VMX_EPT_VPID_CAP, &caps))
		caps = 0;
	caps >>= 32;
	vpids.flushable = (caps & VMX_VPID_INVVPID_BIT) &&
			  (caps & VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT);
	bitmap_zero(vpids.used, VPIDS);
	bitmap_zero(vpids.freed, VPIDS);
	__set_bit(0, vpids.used);
}

/* On the CPU, interrupts off, right after VMXON. 0 or -EIO. */
int vac_vpid_cpu_on(void)
{
	return flush_this_cpu();
}
