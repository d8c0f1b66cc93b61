// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: where INVEPT or INVVPID fails on one CPU as VMX comes on, the VM is refused and VMX is off
 * on every CPU again, with one line in the log that names the CPU; a later VM, which finds them
 * working, runs. Where INVVPID fails on one CPU while VMs run, no VPID that was given back is handed
 * out: vCPUs run untagged, without an error, until a flush succeeds on all CPUs (hazards 1 and 6).
 *
 * On a vac with 8 VPIDs that can execute either with an invalid type (vac-few-vpids).
 *
 * fails when: cpu_on() does not look at what a flush says (mutant flush-failure-at-vmxon), or
 * vac_vmx_vpid_alloc() does not (mutant flush-failure-at-alloc).
 *
 * only: intel
 * series: first
 */
#include <errno.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define FEW    7 /* that vac-few-vpids can hand out */
#define NEW    4 /* of them, for the VM that is started again and again */
#define NO_CPU "-1"

/* fail_ept or fail_vpid: on which CPU it fails. */
static void fail(const char *what, const char *cpu)
{
	need(sys_write(cpu, "/sys/module/vac/parameters/%s", what), "%s is %s", what,
	     cpu);
}

static void vm_is_refused(const char *what, const char *cpu)
{
	struct klog log;
	struct vm *vm;

	fail(what, cpu);
	need(klog_mark(&log), "the kernel log is marked");
	ok_refused(vm_create(&vm, device_of("a"), 0), EIO, "a VM is refused");
	if (!ok_is(klog_count(&log, "vac:"), 1, "it says why in one line"))
		klog_show(&log);
	ok(klog_find(&log, "vac: INVEPT or INVVPID fails on CPU") &&
		   klog_count(&log, cpu) > 0,
	   "which names CPU %s", cpu);
	klog_end(&log);
	ok_virt(0, "then");
	ok_is(vac_number("users"), 0, "vac counts no VM");
	fail(what, NO_CPU);
}

static struct work *start(const char *tag, int vcpus)
{
	struct work *w;

	need(work_start(&w, device_of(tag), payload_find("cpuid"), vcpus, 0, -1),
	     "guests of %s start", tag);
	if (!ok(!work_advances(w, 5, 60), "%d vCPUs of %s make progress", vcpus, tag))
		diag("  %s", work_why());
	return w;
}

static void flushes_fail_later(void)
{
	struct work *a, *b, *more;

	/* The VM that keeps VMX on. */
	b = start("b", FEW - NEW);
	a = start("a", NEW);
	ok_is(instance_number("a", "vpids"), NEW, "a holds all that were left");
	ok_errno(work_stop(a), "the guest of a stops");
	ok_is(instance_number_within("a", "vpids", 0, 5), 0, "a holds none");
	fail("fail_vpid", "1");
	a = start("a", NEW);
	ok_is(instance_number("a", "vpids"), 0, "a gets none that CPU 1 has not flushed");
	ok(!work_advances(b, 5, 60), "guests of b make progress");
	fail("fail_vpid", NO_CPU);
	more = start("a", NEW);
	ok_is(instance_number("a", "vpids"), NEW, "it gets them when CPU 1 has");
	ok_errno(work_stop(more), "that guest stops");
	ok_errno(work_stop(a), "the one without stops");
	ok_errno(work_stop(b), "the guest of b stops");
	ok_virt(0, "after the last VM");
}

int main(void)
{
	need(mod_insert_needed(), "what modules need loads");
	need(mod_insert("vac-few-vpids", ""), "a vac whose flushes can fail loads");
	need(load_instance("a"), "instance a loads");
	need(load_instance("b"), "instance b loads");
	vm_is_refused("fail_ept", "1");
	vm_is_refused("fail_vpid", "0");
	flushes_fail_later();
	unload_two();
	return tap_end();
}
