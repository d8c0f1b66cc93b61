// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: once an instance is closed no VM is made on it, by whichever file: its own device, /dev/kvm,
 * a file of either that was open before. VMs that are there run on and get vCPUs; the other
 * instance is not affected; opened again, it makes VMs again. Loaded again, it is still closed. A tag
 * can be closed while no instance has it, with vac's file or parameter "closed". sysfs keeps the
 * refusal for tools.
 *
 * fails when: closing is asked where a device is opened (mutant closing-is-asked-at-open), or nowhere
 * (mutant closed-makes-vms).
 *
 * machine: --cpus 1
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define CLOSED VAC "/instances/a/closed"

static int new_vm(int dev)
{
	int vm = ioctl(dev, KVM_CREATE_VM, 0);

	if (vm < 0)
		return -errno;
	close(vm);
	return 0;
}

static int by_path(const char *path)
{
	int dev = open(path, O_RDWR | O_CLOEXEC), r;

	if (dev < 0)
		return -errno;
	r = new_vm(dev);
	close(dev);
	return r;
}

static void closed_is(const char *tags_)
{
	char value[64] = "?";

	sys_read(value, sizeof(value), VAC "/closed");
	ok(!strcmp(value, tags_), "closed are: %s (%s)", tags_, value);
}

/* How many times sysfs says that it was refused, 0 if it has no such line. */
static unsigned int refused(const char *who, const char *reason)
{
	FILE *f = fopen(VAC "/refused", "re");
	char line[128], name[64], word[64];
	unsigned int times = 0, n;
	long long when;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lld %u %63s %63s", &when, &n, name, word) == 4 &&
		    !strcmp(name, who) && !strcmp(word, reason))
			times = n;
	if (f)
		fclose(f);
	return times;
}

int main(void)
{
	const struct payload *p = payload_find("io");
	int own, shared, vms;
	struct vcpu *vcpu;
	struct klog log;
	struct work *w;
	struct vm *vm;

	load_two();
	need(set_default("a"), "/dev/kvm leads to a");
	own = open(device_of("a"), O_RDWR | O_CLOEXEC);
	shared = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	ok(own >= 0 && shared >= 0, "both devices are open");
	need(vm_create(&vm, device_of("a"), 0), "a VM");
	if (!ok(!work_start(&w, device_of("a"), p, 1, 0, -1), "a guest of a runs"))
		diag("  %s", work_why());
	vms = instance_number("a", "vms");
	ok_is(sys_read_number(CLOSED), 0, "a is open");
	ok_errno(sys_write("1", CLOSED), "a can be closed");
	ok_is(sys_read_number(CLOSED), 1, "and says so");

	need(klog_mark(&log), "the kernel log can be read");
	ok_refused(new_vm(own), ESHUTDOWN, "no VM by its device, opened before");
	if (!ok(klog_find(&log, "kvm_a closed"), "the log says why"))
		klog_show(&log);
	ok_is(klog_count(&log, ""), 1, "in one line");
	klog_end(&log);
	ok_refused(new_vm(shared), ESHUTDOWN, "none by /dev/kvm, opened before");
	ok_refused(by_path(device_of("a")), ESHUTDOWN, "none by its device");
	ok_refused(by_path("/dev/kvm"), ESHUTDOWN, "none by /dev/kvm");
	ok_is(refused("kvm_a", "closed"), 4, "sysfs counts what was refused");
	ok_is(instance_number("a", "vms"), vms, "the VMs are those of before");
	ok_errno(vcpu_create(vm, &vcpu), "which get vCPUs");
	if (!ok(!work_advances(w, 20, 60), "and run on"))
		diag("  %s", work_why());
	ok_errno(by_path(device_of("b")), "b makes VMs");

	ok(sys_write("perhaps", CLOSED) < 0, "another word is refused");
	ok_is(sys_read_number(CLOSED), 1, "and changes nothing");
	ok_errno(sys_write("0", CLOSED), "a can be opened");
	ok_errno(new_vm(own), "a VM by its device, opened before");
	ok_errno(by_path("/dev/kvm"), "a VM by /dev/kvm");
	ok_errno(work_stop(w), "the guest stops");
	vm_destroy(vm);
	close(own);
	close(shared);
	ok_errno(sys_write("1", CLOSED), "a is closed");
	ok_errno(unload_instance("a"), "and unloads");
	ok_errno(load_instance("a"), "and loads");
	ok_is(sys_read_number(CLOSED), 1, "it is closed still");
	ok_refused(by_path(device_of("a")), ESHUTDOWN, "and makes no VM");

	closed_is("a");
	need(unload_instance("b"), "b unloads");
	ok_errno(sys_write("x,b\n", VAC "/closed"),
		 "others can be closed, loaded or not");
	closed_is("x b");
	ok_errno(by_path(device_of("a")), "a is open");
	ok_errno(load_instance("b"), "b loads");
	ok_refused(by_path(device_of("b")), ESHUTDOWN, "and makes no VM");
	ok(sys_write("a B", VAC "/closed") < 0, "what is no tag is refused");
	closed_is("x b");
	ok_errno(sys_write("\n", VAC "/closed"), "all can be opened");
	closed_is("");
	ok_errno(by_path(device_of("b")), "b makes VMs");
	unload_two();

	ok_refused(mod_insert("vac", "closed=a,B"), EINVAL,
		   "what is no tag cannot be closed");
	need(mod_insert("vac", "closed=x,b"), "vac loads with b closed");
	need(load_instance("a"), "a loads");
	need(load_instance("b"), "b loads");
	ok_errno(by_path(device_of("a")), "a makes VMs");
	ok_refused(by_path(device_of("b")), ESHUTDOWN, "b none, from its beginning");
	closed_is("x b");
	unload_two();
	return tap_end();
}
