// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: an instance with an open file of any kind cannot be removed: its device, /dev/kvm
 * that led to it, a VM, a vCPU. The last close makes it removable. vac cannot be removed while
 * an instance is loaded.
 *
 * fails when: an open file does not pin its module (mutant file-does-not-pin).
 *
 * machine: --cpus 1
 * series: first
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"

static int open_dev(const char *dev)
{
	int fd = open(dev, O_RDWR | O_CLOEXEC);

	need(fd < 0 ? -errno : 0, "%s opens", dev);
	return fd;
}

static bool refused(int err)
{
	return err == -EWOULDBLOCK || err == -EBUSY;
}

static void stays(const char *tag, const char *why)
{
	char file[40] = "kvm-";

	file[4] = tag[0];
	file[5] = 0;
	ok(refused(mod_remove(file)), "%s stays: %s", file, why);
	ok(mod_references(file) > 0, "%s has a reference", file);
}

static void goes_and_comes(const char *tag)
{
	ok_errno(unload_instance(tag), "%s goes after the last close", tag);
	need(load_instance(tag), "%s loads again", tag);
}

/* Only one of the three is kept open. */
static void one_file(const char *tag, const char *dev, int which, const char *why)
{
	int fd[3], i;

	fd[0] = open_dev(dev);
	fd[1] = ioctl(fd[0], KVM_CREATE_VM, 0);
	fd[2] = fd[1] < 0 ? -1 : ioctl(fd[1], KVM_CREATE_VCPU, 0);
	if (!ok(fd[2] >= 0, "%s makes a VM and a vCPU", dev))
		return;
	for (i = 0; i < 3; i++)
		if (i != which)
			close(fd[i]);
	stays(tag, why);
	ok(refused(mod_remove("vac")), "vac stays");
	close(fd[which]);
	goes_and_comes(tag);
}

int main(void)
{
	load_two();
	one_file("a", "/dev/kvm-a", 0, "its device is open");
	one_file("a", "/dev/kvm-a", 1, "a VM is open");
	one_file("a", "/dev/kvm-a", 2, "a vCPU is open");
	one_file("b", "/dev/kvm-b", 0, "its device is open");
	one_file("b", "/dev/kvm-b", 1, "a VM is open");
	one_file("b", "/dev/kvm-b", 2, "a vCPU is open");

	/* a was unloaded and loaded again, so the default must be set. */
	need(set_default("b"), "the default becomes b");
	one_file("b", "/dev/kvm", 0, "/dev/kvm that led to it is open");
	need(set_default("a"), "the default becomes a");
	one_file("a", "/dev/kvm", 0, "/dev/kvm that led to it is open");

	ok(refused(mod_remove("vac")), "vac stays while both are loaded");
	ok_errno(unload_instance("a"), "a unloads");
	ok(refused(mod_remove("vac")), "vac stays while one is loaded");
	ok_errno(unload_instance("b"), "b unloads");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
