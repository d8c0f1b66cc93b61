// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: /dev/kvm leads to the default instance, by open: a change of the default is for new
 * opens, files that are open stay where they are. When the default instance is unloaded, the
 * default is "none", and /dev/kvm says ENODEV with a line in the kernel log. The next instance
 * does not become the default by itself while another is loaded; a first one does.
 *
 * fails when: writing a tag changes nothing (mutant default-sticks).
 *
 * machine: --cpus 1
 * series: first
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A VM made through `kvm` must be one of tags[t]. Returns the VM. */
static int leads_to(int kvm, int t, const char *what)
{
	int before = instance_number(tags[t], "vms"), vm;

	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	ok_is(vm >= 0 ? instance_number(tags[t], "vms") - before : -1, 1,
	      "%s is one of %s", what, tags[t]);
	return vm;
}

static void default_is(const char *tag, const char *when)
{
	if (!ok(!strcmp(default_tag(), tag), "the default is %s %s", tag, when))
		diag("  it is %s", default_tag());
}

static void says_nodev(const char *when)
{
	struct klog log;
	int r;

	need(klog_mark(&log), "the kernel log can be read");
	r = open_kvm();
	ok_is(r, -ENODEV, "/dev/kvm says ENODEV %s", when);
	if (!ok(klog_find(&log, "kvm default"), "the log says why"))
		klog_show(&log);
	ok_is(klog_count(&log, ""), 1, "in one line");
	klog_end(&log);
}

int main(void)
{
	int kvm[2], vm[3], r;

	load_vac();
	default_is("none", "before any instance is loaded");
	says_nodev("without an instance");
	need(load_instance("a"), "a loads");
	default_is("a", "when a came first");
	need(load_instance("b"), "b loads");
	default_is("a", "when b came second");

	kvm[0] = open_kvm();
	vm[0] = leads_to(kvm[0], 0, "a VM by /dev/kvm");
	ok_errno(set_default("b"), "the default can be set to b");
	default_is("b", "after that");
	kvm[1] = open_kvm();
	vm[1] = leads_to(kvm[1], 1, "a VM by a new open");
	vm[2] = leads_to(kvm[0], 0, "a VM by the file opened before");
	ok_errno(set_default("a\n"), "as echo writes it, with a line end");
	default_is("a", "after that");

	r = set_default("nosuch");
	ok(r == -ENOENT || r == -EINVAL, "a tag that is not loaded is refused: %s",
	   strerror(-r));
	default_is("a", "still");
	ok(set_default("\n") < 0, "an empty tag is refused");
	default_is("a", "still");

	ok_errno(set_default("none"), "the default can be none");
	default_is("none", "after that");
	says_nodev("with none as the default");
	ok(instance_number("a", "vms") == 2, "the VMs of a do not mind");
	ok_errno(set_default("a"), "the default can be set again");

	for (r = 0; r < 3; r++)
		close(vm[r]);
	for (r = 0; r < 2; r++)
		close(kvm[r]);
	ok_errno(unload_instance("a"), "the default instance unloads when idle");
	default_is("none", "then");
	says_nodev("when the default is gone");
	ok_errno(set_default("b"), "the default can be b");
	ok_errno(load_instance("a"), "a loads again");
	default_is("b", "still");
	unload_two();
	return tap_end();
}
