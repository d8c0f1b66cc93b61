/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vac.h - the interface between vac.ko and the instances that live on it.
 *
 * This is the only header that an instance sees. The interface is functions
 * and opaque handles; it only grows. Two numbers guard it:
 *
 *  - VAC_MAJOR: an instance of another major is refused.
 *  - capability bits: what a vac can mediate. An instance names the bits it
 *    cannot do without (for each vendor) and degrades without the others: it
 *    declares functions that only a later vac has as weak, and calls them only if
 *    their bit is set. A bit does not mean that the instance has code for it.
 *
 * Every struct that is passed carries its size: vac reads the members that both
 * sides know and takes the others as zero. New members go to its end, in multiples
 * of 8 bytes, and never into padding, whose contents are undefined. What may
 * grow (these, and the answers of vac_vcpu_switch()) is kept out of the CRCs of
 * CONFIG_MODVERSIONS, since the size, not a CRC, is what versions it. No type of
 * the kernel's is in a prototype here, so that the CRCs are the same for each kernel.
 *
 * All symbols are exported in the namespace VAC.
 *
 * Lifetime: between vac_instance_register() and the return of
 * vac_instance_unregister() vac may call the instance back, from process, IRQ
 * and NMI context as each callback says. Afterwards it never does.
 */
#ifndef VAC_H
#define VAC_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/percpu-defs.h>
#include <linux/types.h>
#include <asm/percpu.h>

#define VAC_MAJOR	1
#define VAC_MINOR	0

/* Capability bits, see vac_capabilities(). Bits are never reused. */
#define VAC_CAP_SVM		BIT_ULL(0)	/* EFER.SVME, host-save area */
#define VAC_CAP_ASID		BIT_ULL(1)	/* SVM ASIDs and their generation */
#define VAC_CAP_TSC_RATIO	BIT_ULL(2)	/* MSR_AMD64_TSC_RATIO */
#define VAC_CAP_SEV_ASID	BIT_ULL(3)	/* SEV, SEV-ES and SNP ASIDs */
#define VAC_CAP_AVIC		BIT_ULL(4)	/* GA log notifier, AVIC VM ids */
#define VAC_CAP_SRSO		BIT_ULL(5)	/* BP_SPEC_REDUCE while there are VMs */
#define VAC_CAP_VMX		BIT_ULL(8)	/* VMXON, current VMCS, emergency */
#define VAC_CAP_VPID		BIT_ULL(9)	/* VPIDs */
#define VAC_CAP_VFIO		BIT_ULL(16)	/* VFIO's references to VMs */
#define VAC_CAP_VM		BIT_ULL(17)	/* VMs have numbers, see vac_vm_add() */
#define VAC_CAP_CLOSING		BIT_ULL(18)	/* an instance can be closed */
#define VAC_CAP_FLUSH_CONFIRM	BIT_ULL(19)	/* vac_svm_asid_flush_failed() */

/* What vac_instance_state() says. Bits are never reused. */
#define VAC_INSTANCE_DEVICE	BIT(0)		/* /dev/kvm may lead there */
#define VAC_INSTANCE_CLOSED	BIT(1)		/* it makes no VM */

struct file;
struct file_operations;
struct kvm;
struct module;
struct vac_instance;
struct vac_vm;

#ifndef __GENKSYMS__
/**
 * enum vac_last - who was loaded on a CPU before the vCPU that loads now.
 * @VAC_LAST_OTHER: another instance, or nobody since virtualization was
 *	switched on here: nothing that the instance believes of this CPU holds.
 *	An answer that an instance does not know means the same.
 * @VAC_LAST_INSTANCE: another vCPU of the same instance.
 */
enum vac_last {
	VAC_LAST_OTHER,
	VAC_LAST_INSTANCE,
};

/**
 * struct vac_instance_desc - what an instance says of itself. Up to @tag it is the same in every
 * major, so that a vac can name the instance that it refuses.
 * @size: sizeof(struct vac_instance_desc) where the instance was built.
 * @major: VAC_MAJOR where the instance was built.
 * @minor: VAC_MINOR where the instance was built; for reports only.
 * @need_svm: capability bits without which it does not run on SVM.
 * @need_vmx: the same on VMX.
 * @owner: the module; pinned by every open of /dev/kvm that goes to it.
 * @tag: the name of the instance.
 * @snapshot: release of the kernel that its KVM was taken from.
 * @snapshot_digest: digest of the snapshot.
 * @rules_digest: digest of the rule set that rewrote it.
 * @patches: the user's patches on top, by name and digest, or "".
 * @cpu_enable: prepare this CPU for the first VM of the instance. Called on
 *	the CPU, interrupts off, virtualization on, between vac_virt_get() and
 *	vac_virt_put() only: on the first VM, on CPU hotplug and on resume.
 *	Must not touch what other instances share. Returns 0 or -errno.
 * @cpu_disable: the reverse, same context.
 * @rebooting: the machine goes down: from now on instructions of the
 *	virtualization extensions may fault. Any context, NMI included: it sets
 *	a flag.
 * @unmitigated: names of the mitigations for which the kernel relies on KVM and which this KVM
 *	lacks, or "none"; NULL: unknown.
 */
struct vac_instance_desc {
	u32 size;
	u16 major;
	u16 minor;
	u64 need_svm;
	u64 need_vmx;
	struct module *owner;
	const char *tag;
	const char *snapshot;
	const char *snapshot_digest;
	const char *rules_digest;
	const char *patches;
	int (*cpu_enable)(void);
	void (*cpu_disable)(void);
	void (*rebooting)(void);
	const char *unmitigated;
	/* the interface grows here */
};

/**
 * struct vac_vm_desc - what an instance says of a VM.
 * @size: sizeof(struct vac_vm_desc) where the instance was built.
 * @kvm: the address by which VFIO will know the VM; vac compares it and never dereferences it.
 */
struct vac_vm_desc {
	u32 size;
	struct kvm *kvm;
};

/**
 * struct vac_device_ops - how an instance's device is opened.
 * @size: sizeof(struct vac_device_ops) where the instance was built.
 * @fops: of each file of the device, with their owner set. Not copied: they stay where they are.
 */
struct vac_device_ops {
	u32 size;
	const struct file_operations *fops;
};

/**
 * struct vac_chooser_ops - who says where an open of /dev/kvm goes.
 * @size: sizeof(struct vac_chooser_ops) where the chooser was built.
 * @owner: its module, for reports.
 * @choose: write the tag of an instance, or "" for the default, to @tag, which has room for
 *	VAC_TAG_MAX characters and a 0; or return -errno, with which the open fails. Called a
 *	second time for the same open if there was no instance of that tag. Process context of
 *	the opener; may sleep. The kernel holds misc_mtx: meanwhile every open of a misc device
 *	waits, so it must wait neither for a module that is being loaded or unloaded nor for
 *	anything that the opener holds.
 */
struct vac_chooser_ops {
	u32 size;
	struct module *owner;
	int (*choose)(struct file *file, char *tag);
};

/**
 * struct vac_perf_ops - what perf asks about a guest. Each is called in NMI context, also while
 * no vCPU is loaded; NULL where there is no answer.
 * @size: sizeof(struct vac_perf_ops) where the instance was built.
 * @state: as in struct perf_guest_info_callbacks.
 * @get_ip: likewise.
 * @pt_intr: likewise handle_intel_pt_intr.
 */
struct vac_perf_ops {
	u32 size;
	unsigned int (*state)(void);
	unsigned long (*get_ip)(void);
	unsigned int (*pt_intr)(void);
};

/**
 * struct vac_clock_ops - what an instance does when CPUs come and go. Each is called on the CPU;
 * must not sleep, must not fail.
 * @size: sizeof(struct vac_clock_ops) where the instance was built.
 * @online: the CPU came; also called once on each CPU that is there already.
 * @offline: it is about to go.
 */
struct vac_clock_ops {
	u32 size;
	int (*online)(unsigned int cpu);
	int (*offline)(unsigned int cpu);
};

/**
 * struct vac_vfio_ops - VFIO's references to a VM.
 * @size: sizeof(struct vac_vfio_ops) where the instance was built.
 * @get: takes one; false if the last one is gone already; called under a spinlock.
 * @put: drops one, which may be the last; process context.
 */
struct vac_vfio_ops {
	u32 size;
	bool (*get)(struct kvm *kvm);
	void (*put)(struct kvm *kvm);
};
#else
struct vac_instance_desc;
struct vac_vm_desc;
struct vac_device_ops;
struct vac_chooser_ops;
struct vac_perf_ops;
struct vac_clock_ops;
struct vac_vfio_ops;
#endif

#define VAC_TAG_MAX	24

/* instance.c */
u64 vac_capabilities(void);
struct vac_instance *vac_instance_register(const struct vac_instance_desc *desc);
void vac_instance_unregister(struct vac_instance *inst);
u32 vac_instance_state(const char *tag);

/* refused.c */
void vac_refused(const char *who, const char *reason);

/* device.c */
int vac_device_add(struct vac_instance *inst, const struct vac_device_ops *ops);
void vac_device_del(struct vac_instance *inst);

/* chooser.c */
int vac_chooser_register(const struct vac_chooser_ops *ops);
void vac_chooser_unregister(const struct vac_chooser_ops *ops);

/* virt.c */
int vac_virt_get(struct vac_instance *inst);
void vac_virt_put(struct vac_instance *inst);

/* vm.c */
struct vac_vm *vac_vm_add(struct vac_instance *inst, const struct vac_vm_desc *desc);
void vac_vm_del(struct vac_vm *vm);
bool vac_vm_on_cpu(unsigned int cpu, u64 *vm, u32 *instance);

/* vcpu.c */
DECLARE_PER_CPU(u64, vac_last_vcpu);
u64 vac_vcpu_add(struct vac_vm *vm);
void vac_vcpu_del(struct vac_vm *vm);
int vac_vcpu_switch(struct vac_vm *vm, u64 vcpu);

/**
 * vac_vcpu_is_last() - No other vCPU was loaded on this CPU since this one was.
 * @vcpu: its number, from vac_vcpu_add().
 *
 * Called when the vCPU is loaded on the CPU; if it returns false, a call of
 * vac_vcpu_switch() follows. Until another vCPU is loaded there the CPU's
 * virtualization state belongs to this one; there is no call that ends it.
 *
 * Inline, and not in vac, because a vCPU comes back to its CPU at each exit to
 * user space: that costs one comparison.
 *
 * Context: preemption off.
 * Return: true if nothing that the vCPU left on this CPU was touched.
 */
static __always_inline bool vac_vcpu_is_last(u64 vcpu)
{
	return likely(this_cpu_read(vac_last_vcpu) == vcpu);
}

/* perf.c */
int vac_perf_register(struct vac_instance *inst, const struct vac_perf_ops *ops);
void vac_perf_unregister(struct vac_instance *inst);

/* clock.c */
int vac_clock_register(struct vac_instance *inst, const struct vac_clock_ops *ops);
void vac_clock_unregister(struct vac_instance *inst);

/* vfio.c; get and put are for vac-vfio.ko, which gives them the names that VFIO looks for */
int vac_vfio_add(struct vac_vm *vm, const struct vac_vfio_ops *ops);
void vac_vfio_del(struct vac_vm *vm);
bool vac_vfio_get(struct kvm *kvm);
void vac_vfio_put(struct kvm *kvm);

/* uret.c */
int vac_uret_add(u32 msr);
int vac_uret_set(unsigned long slot, u64 value, u64 mask);
int vac_uret_host(u32 msr, u64 *value);

/* svm.c */
void *vac_svm_save_area(unsigned int cpu);
u64 vac_svm_asid_generation(void);
bool vac_svm_asid_alloc(struct vac_instance *inst, u64 *generation, u32 *asid);
u64 vac_svm_asid_flush_failed(void);
void vac_svm_tsc_ratio_set(u64 ratio);

/* srso.c */
DECLARE_PER_CPU(bool, vac_svm_srso_reduced);
void vac_svm_srso_get(struct vac_instance *inst);
void vac_svm_srso_put(struct vac_instance *inst);
void vac_svm_srso_reduce(void);

/**
 * vac_svm_srso_is_reduced() - BP_SPEC_REDUCE is set on this CPU.
 *
 * Called before a guest is entered, once after each vCPU load; vac_svm_srso_reduce()
 * follows if it is not. Between vac_svm_srso_get() and _put() only CPU offline and
 * suspend clear it, and neither does so under a loaded vCPU.
 *
 * Context: preemption off.
 * Return: true if nothing is to be done.
 */
static __always_inline bool vac_svm_srso_is_reduced(void)
{
	return likely(this_cpu_read(vac_svm_srso_reduced));
}

/* vpid.c */
int vac_vmx_vpid_alloc(struct vac_instance *inst);
void vac_vmx_vpid_free(struct vac_instance *inst, int vpid);

/* vmx.c */
void vac_vmx_emergency_register(struct vac_instance *inst, void (*clear)(void));
void vac_vmx_emergency_unregister(struct vac_instance *inst);
void vac_vmx_pi_wakeup_register(struct vac_instance *inst, void (*wakeup)(void));
void vac_vmx_pi_wakeup_unregister(struct vac_instance *inst);

#endif /* VAC_H */
