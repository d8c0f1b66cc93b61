// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: stock QEMU boots a stock Linux with two vCPUs on each of two instances at the same
 * time; both reach their init and compute on both CPUs; one is stopped and its instance
 * unloaded while the other goes on.
 *
 * test-all: intel
 * needs: linux
 * machine: --time 400
 * fails when: QEMU gets no /dev/kvm of its own, so that both run on a: seven results, from "a
 * has one VM" (two) to "a unloads" (busy). When a guest resets by itself: with XSAVE shown to
 * it, that happened once, and "computes on both CPUs" failed.
 *
 * series: first
 */
#include "../lib/instances.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"
#include "../linux/linux.h"

#define BOOT_SECONDS 150

static void up(struct linux_guest *g, const char *tag)
{
	if (!ok(!linux_wait_up(g, BOOT_SECONDS), "Linux on %s reaches its init", tag))
		diag("  %s", linux_why());
	ok_is(g->cpus, LINUX_CPUS, "Linux on %s has all its CPUs", tag);
	diag("%s: up after %lu ms of its own clock", tag, g->uptime_ms);
}

static void goes_on(struct linux_guest *g, const char *tag, const char *when)
{
	if (!ok(!linux_advances(g, 25, 60), "Linux on %s computes on both CPUs %s", tag,
		when))
		diag("  %s", linux_why());
}

int main(void)
{
	struct linux_guest g[2];
	int i;

	load_two();
	for (i = 0; i < 2; i++)
		need(linux_start(&g[i], device_of(tags[i]), NULL), "QEMU starts on %s",
		     tags[i]);
	for (i = 0; i < 2; i++)
		up(&g[i], tags[i]);
	for (i = 0; i < 2; i++) {
		goes_on(&g[i], tags[i], "beside the other");
		ok_is(instance_number(tags[i], "vms"), 1, "instance %s has one VM",
		      tags[i]);
		ok_is(instance_number(tags[i], "vcpus"), LINUX_CPUS,
		      "instance %s has its vCPUs", tags[i]);
	}
	if (!ok(!linux_stop(&g[0], 30), "Linux on a stops when it is told"))
		diag("  %s", linux_why());
	ok_is(instance_number_within("a", "vms", 0, 5), 0, "instance a has no VM then");
	goes_on(&g[1], "b", "when the other has stopped");
	ok_errno(unload_instance("a"), "instance a unloads");
	ok(!sys_there("/dev/kvm-a"), "and its device is gone");
	goes_on(&g[1], "b", "when the other instance is gone");
	if (!ok(!linux_stop(&g[1], 30), "Linux on b stops when it is told"))
		diag("  %s", linux_why());
	ok_is(instance_number_within("b", "vms", 0, 5), 0, "instance b has no VM then");
	ok_is(vac_number("users"), 0, "vac counts no VM");
	ok_errno(unload_instance("b"), "instance b unloads");
	return tap_end();
}
