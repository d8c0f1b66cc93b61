// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: once a reboot, halt, power off or kexec is on its way nobody switches virtualization on
 * again (hazards 1 and 2). /modules/going-down.ko sets system_state and runs the hooks as a reboot
 * does, and then user space goes on, with all the time to try it:
 *
 *  - from the moment on at which system_state says so KVM_CREATE_VM ends in EBUSY, as on a stock
 *    6.12. Until vac's hook guests go on, also on a CPU that comes online;
 *  - the hook switches virtualization off on each CPU under the running vCPUs of both instances,
 *    which were told before: no instance takes the fault of an instruction for a bug;
 *  - afterwards no VM and no CPU that comes online switches it on, with users and without; the CPU
 *    itself comes online.
 *
 * Afterwards the guests' VMs can end, all can be unloaded, and a vac that is loaded then works.
 *
 * fails when: vac forgets that it went down (mutant goes-up-again), a VM is only refused where a
 * CPU would have to be switched on (mutant vm-of-a-lost-machine), an instance is not told (mutant
 * instance-not-told-of-reboot), or a CPU is refused its virtualization before the hook (mutant
 * off-before-the-hook).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static void refused(const char *when)
{
	int dev, t, vm, error;

	for (t = 0; t < 2; t++) {
		dev = open(device_of(tags[t]), O_RDWR | O_CLOEXEC);
		vm = ioctl(dev, KVM_CREATE_VM, 0);
		error = errno;
		close(dev);
		ok_refused(vm < 0 ? -error : 0, EBUSY, "%s makes no VM %s", tags[t],
			   when);
		if (vm >= 0)
			close(vm);
	}
}

static void bring_cpu(const char *when)
{
	ok_errno(cpu_online(1, false), "CPU 1 goes %s", when);
	ok_errno(cpu_online(1, true), "it comes back");
}

static void start(struct work *w[2])
{
	int t;

	for (t = 0; t < 2; t++) {
		if (work_start(&w[t], device_of(tags[t]), payload_find("mix"), 2, 0,
			       -1)) {
			diag("%s", work_why());
			need(-1, "guests of %s start", tags[t]);
		}
	}
}

static void go_on(struct work *w[2], const char *when)
{
	int t;

	for (t = 0; t < 2; t++)
		if (!ok(!work_advances(w[t], 5, 60), "guests of %s go on %s", tags[t],
			when))
			diag("  %s", work_why());
}

int main(void)
{
	struct work *w[2];
	int t;

	load_two();
	start(w);
	go_on(w, "at first");
	need(mod_insert("going-down", ""), "the kernel is told that it restarts");
	refused("when the kernel restarts");
	go_on(w, "when the kernel restarts");
	bring_cpu("then");
	ok_virt(1, "until vac's hook");
	go_on(w, "with CPU 1 back");

	need(sys_write("1", "/sys/module/going_down/parameters/hooks"), "the hooks run");
	ok_virt(0, "after vac's hook");
	refused("after vac's hook, with VMs");
	bring_cpu("after vac's hook, with VMs");
	ok_virt(0, "with CPU 1 back");
	for (t = 0; t < 2; t++)
		if (work_stop(w[t]))
			diag("the guests of %s saw it: %s", tags[t], work_why());
	refused("after vac's hook, without one");
	bring_cpu("without a VM");
	ok_virt(0, "with CPU 1 back again");
	need(mod_remove("going-down"), "the kernel is told that it runs");
	refused("from a vac whose hook was called");
	ok_virt(0, "at the end");
	unload_two();

	need(mod_insert("vac", ""), "vac loads again");
	for (t = 0; t < 2; t++)
		need(load_instance(tags[t]), "%s loads again", tags[t]);
	start(w);
	go_on(w, "on a new vac");
	for (t = 0; t < 2; t++)
		ok_errno(work_stop(w[t]), "guests of %s stop", tags[t]);
	unload_two();
	return tap_end();
}
