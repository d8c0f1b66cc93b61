// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold-static-keys.c - leaves nothing to patch in text that CPUs run.
 *
 * A CPU that comes by while text is patched may have translated the temporary breakpoint: QEMU then
 * executes that for ever, and the CPU is lost. KVM, stock or not, patches __schedule() and
 * finish_task_switch() with its first VM and its last: the key for that is on from here on. It
 * patches its own text a second after a guest has enabled its APIC: here, when it is unloaded.
 * tests/vm/lib/mod.c loads this on the AMD machine. It stays until the machine ends.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/workqueue.h>

#define LONGEST (24 * 3600 * HZ)

static DEFINE_PER_CPU(struct work_struct, works);
static atomic_t standing;
static bool held;

/*
 * The CPU does not schedule. It takes interrupts: patching sends some, and waits for them. A test's
 * init loads this as one of its first modules: nobody else patches text, or holds a lock for that.
 */
static void stand_still(struct work_struct *work)
{
	preempt_disable();
	atomic_inc(&standing);
	while (!READ_ONCE(held))
		cpu_relax();
	preempt_enable();
}

static void hold_preempt_notifiers(void)
{
	int cpu, others = 0;

	migrate_disable();
	for_each_online_cpu(cpu) {
		struct work_struct *work = per_cpu_ptr(&works, cpu);

		INIT_WORK(work, stand_still);
		if (cpu == raw_smp_processor_id())
			continue;
		queue_work_on(cpu, system_highpri_wq, work);
		others++;
	}
	while (atomic_read(&standing) < others)
		cpu_relax();
	preempt_notifier_inc();
	WRITE_ONCE(held, true);
	migrate_enable();
	for_each_possible_cpu(cpu)
		if (per_cpu_ptr(&works, cpu)->func)
			flush_work(per_cpu_ptr(&works, cpu));
}

/* In an instance the name has the tag behind it. */
static bool of_apic(struct static_key *key)
{
	static const char * const names[] = { "apic_hw_disabled", "apic_sw_disabled" };
	char name[KSYM_SYMBOL_LEN];
	int i;

	sprint_symbol_no_offset(name, (unsigned long)key);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

/*
 * A module is coming, its init has not run. Its keys go off only when kvm_lapic_exit() flushes what
 * is pending, after its last VM.
 */
static int module_comes(struct notifier_block *nb, unsigned long action, void *data)
{
	struct module *mod = data;
	unsigned int i;

	if (action != MODULE_STATE_COMING)
		return NOTIFY_DONE;
	for (i = 0; i < mod->num_jump_entries; i++) {
		struct static_key *key = jump_entry_key(&mod->jump_entries[i]);

		if (within_module((unsigned long)key, mod) && of_apic(key))
			container_of(key, struct static_key_deferred, key)->timeout = LONGEST;
	}
	return NOTIFY_DONE;
}

static struct notifier_block modules = { .notifier_call = module_comes };

static int __init hold_init(void)
{
	int r = register_module_notifier(&modules);

	if (!r)
		hold_preempt_notifiers();
	return r;
}
module_init(hold_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Holds static keys of KVM for tests in an emulator");
