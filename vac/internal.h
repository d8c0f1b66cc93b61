/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - what the files of vac share; no instance sees it.
 *
 * Locks, outermost first:
 *   chooser.c's (mutex)   registration of a chooser; held while its calls are waited for, and so
 *                         outside of misc_mtx; those calls are under SRCU, and no lock of vac's
 *   vac.lock (mutex)      instances, users, default, closed; process context only
 *   cpus_read_lock()      keeps the hotplug callbacks out
 *   uret lock             see uret.c
 *   srso.lock (mutex)     a leaf, see srso.c
 *   vfio.lock (spinlock)  a leaf, see vfio.c; VFIO calls with a spinlock held
 *   refused.c's (spinlock) a leaf
 *   the xarray of VMs     a leaf; it is read under RCU
 * The kernel's own locks: misc_mtx is outside of vac.lock at an open of /dev/kvm. So is what sysfs
 * holds while a file is read or written: therefore no kobject is removed under vac.lock.
 * A VM is freed a grace period after vac_vm_del(), since an NMI may be looking (vm.c).
 * What runs with interrupts or preemption off takes none of them: IPIs, hotplug callbacks, suspend,
 * vCPU load, the way to user space, NMI and crash paths. On a PREEMPT_RT kernel a spinlock_t sleeps
 * as a mutex does, so both kinds are for process context, and vac has no raw_spinlock_t.
 * Lists are RCU lists: hotplug, suspend, NMI and crash paths walk them with no
 * lock. Hotplug callbacks run under cpus_write_lock(), which excludes every
 * writer, since all of them hold cpus_read_lock().
 */
#ifndef VAC_INTERNAL_H
#define VAC_INTERNAL_H

#include <linux/cpumask.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

#include "compat.h"
#include "include/vac.h"

struct file_operations;
struct seq_file;

/*
 * Instances only have a pointer to it. Its members are hidden from genksyms, as
 * those of struct vac_instance_desc are: else the CRC of every export that
 * takes a handle would change with them, and older instances would not load.
 */
#ifndef __GENKSYMS__
struct vac_instance {
	struct kobject kobj;		/* /sys/kernel/vac/instances/<tag> */
	struct list_head link;		/* vac.instances, RCU */
	struct vac_instance_desc desc;	/* vac's own copy, zero-extended */
	u32 id;				/* never reused */
	struct vac_device_ops device;	/* under vac.lock */
	bool closed;			/* under vac.lock */
	unsigned int users;		/* of virtualization: VMs, or itself; under vac.lock */
	unsigned int vms;		/* under vac.lock */
	atomic_t vcpus;
	atomic_t vpids;			/* that it holds */
	cpumask_var_t cpus;		/* where cpu_enable() succeeded */
	u64 __percpu *asids;		/* generation << 32 | handed out in it */
	unsigned int srso_vms;		/* under srso.lock */
	struct vac_perf_ops perf;
	struct vac_clock_ops clock;
	void (*emergency_clear)(void);
	void (*pi_wakeup)(void);
};

struct vac_vm {
	struct kobject kobj;		/* /sys/kernel/vac/vms/<number> */
	struct rcu_head rcu;
	struct vac_instance *inst;
	u32 instance;			/* its id, for a vCPU switch to compare */
	u64 number;			/* never reused */
	struct vac_vm_desc desc;	/* vac's own copy, zero-extended */
	atomic_t vcpus;
	pid_t pid;			/* of the process that made it */
	time64_t since;			/* seconds since 1970 */
	/* VFIO's part, under vfio.lock; see vfio.c */
	struct list_head vfio_link;
	struct vac_vfio_ops vfio;
	bool vfio_added;
	unsigned int vfio_references;
};
#endif

/* The struct that @from points to has all members of interface 1.0, up to @last. */
#define vac_is_whole(from, last)	((from)->size >= offsetofend(typeof(*(from)), last))

/* Copy what an instance passes. By its first member, the size, it may be shorter or longer. */
#define vac_copy_sized(to, from)							\
({											\
	typeof(to) _to = (to);								\
	const typeof(*_to) *_from = (from);						\
											\
	memset(_to, 0, sizeof(*_to));							\
	memcpy(_to, _from, min_t(size_t, _from->size, sizeof(*_to)));			\
})

/**
 * struct vac_cpu - what vac knows of one CPU; only that CPU writes it.
 * @on: vac switched virtualization on here.
 * @last_instance: the id of the instance whose vCPU was loaded last (its
 *	number is in vac_last_vcpu); never reused; 0: nobody.
 * @vm: the number of that vCPU's VM; never reused; 0: nobody.
 * @asked: the same instance, for an NMI that asks whether a guest runs here;
 *	NULL once it is gone. Never compared.
 * @count: how often vac_vcpu_switch() gave each answer.
 */
struct vac_cpu {
	bool on;
	u32 last_instance;
	u64 vm;
	struct vac_instance *asked;
	u64 count[VAC_LAST_INSTANCE + 1];
};

DECLARE_PER_CPU(struct vac_cpu, vac_cpu);

/**
 * struct vac_vendor - how this machine's virtualization is switched.
 * @name: "amd" or "intel".
 * @capabilities: VAC_CAP_* bits that hold here.
 * @refuse: 0, or -errno where virtualization cannot be used here, with one
 *	line in the log that says why; changes nothing; process context.
 * @setup: allocate what @cpu_on needs; process context.
 * @teardown: free it.
 * @cpu_on: switch virtualization on for this CPU, interrupts off; 0, or -errno with
 *	one line in the log that says why.
 * @cpu_off: the reverse; also called where it is off already.
 * @show: what the hardware of an online CPU says, for debugfs; process context.
 */
struct vac_vendor {
	const char *name;
	u64 capabilities;
	int (*refuse)(void);
	int (*setup)(void);
	void (*teardown)(void);
	int (*cpu_on)(void);
	void (*cpu_off)(void);
	void (*show)(struct seq_file *m, unsigned int cpu);
};

struct vac {
	struct mutex lock;			/* of all below; taken before cpus_read_lock() */
	struct list_head instances;		/* RCU for readers */
	struct vac_instance *default_instance;	/* under lock */
	struct list_head closed;		/* closed tags, loaded or not; under lock */
	char chosen[VAC_TAG_MAX + 1];		/* tag or "none", as written last; under lock */
	unsigned int users;			/* of virtualization, of all; under lock */
	const struct vac_vendor *vendor;
};

extern struct vac vac;
extern const struct vac_vendor vac_vendor_svm;
extern const struct vac_vendor vac_vendor_vmx;

int vac_instance_init(void);
void vac_instance_exit(void);
int vac_instance_close(struct vac_instance *inst, bool closed);
int vac_closed_set(const char *list);
ssize_t vac_closed_show(char *buf);
int vac_device_init(void);
void vac_device_exit(void);
int vac_device_choose(const char *word);
int vac_chooser_ask(struct file *file, char *tag);
ssize_t vac_chooser_show(char *buf);
ssize_t vac_refused_show(char *buf);
int vac_virt_init(void);
void vac_virt_exit(void);
int vac_clock_init(void);
void vac_clock_exit(void);
void vac_perf_init(void);
void vac_perf_exit(void);
int vac_stock_init(void);
void vac_stock_exit(void);
int vac_sysfs_init(void);
void vac_sysfs_exit(void);
void vac_sysfs_prepare(struct vac_instance *inst);
int vac_sysfs_add(struct vac_instance *inst);
int vac_sysfs_add_vm(struct vac_vm *vm);
int vac_virt_get_vm(struct vac_instance *inst);
void vac_virt_put_vm(struct vac_instance *inst);
void vac_debugfs_init(void);
void vac_debugfs_exit(void);

/* uret.c; on this CPU */
void vac_uret_change_instance(void);
void vac_uret_cpu_on(void);
void vac_uret_cpu_off(void);
bool vac_uret_registered(unsigned int cpu);
unsigned int vac_uret_slots(void);
u32 vac_uret_read(unsigned int slot, unsigned int cpu, u64 *host, u64 *current_value);

/* vfio.c */
void vac_vfio_show(struct seq_file *m);

/* svm.c */
unsigned int vac_svm_asids(struct vac_instance *inst);
void vac_svm_change_instance(void);	/* on this CPU */

/* srso.c; on this CPU */
void vac_srso_cpu_off(void);

/* vpid.c */
void vac_vpid_setup(void);
int vac_vpid_cpu_on(void);

#define VAC_EXPORT(symbol) EXPORT_SYMBOL_NS_GPL(symbol, VAC)

#endif /* VAC_INTERNAL_H */
