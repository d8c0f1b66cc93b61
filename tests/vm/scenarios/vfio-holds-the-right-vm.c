// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: VFIO holds a VM while a device of it is open, whichever instance it is of: the VM outlives
 * its file descriptors and its instance cannot be unloaded; other instances notice nothing
 * (hazard 21). The VM goes with the device, in whatever order files are closed or a VMM is killed.
 * While vac-vfio.ko cannot be loaded no VM is tied to a VFIO device, and one line says so.
 *
 * The device is /modules/vfio-device.ko: it does nothing, but it is VFIO itself that opens it and
 * looks KVM up by name.
 *
 * modules: vfio
 *
 * fails when: vac takes all VMs for those of the first instance, does not pin the instance, or forgets
 * the VM with its kvm-vfio device (mutants vfio-asks-the-first, vfio-does-not-pin,
 * vfio-forgets-early), or an instance does not say which VM is its own (naive own-vfio).
 *
 * only: amd
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

/* A VMM with a VFIO device: what it has open. */
struct assigned {
	struct vm *vm;
	int bridge; /* the kvm-vfio device */
	int container;
	int group;
	int device;
};

static bool vfio_asks_by_name(void)
{
	static char text[1 << 20];
	int fd = open("/modules/vfio.ko", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text));

	close(fd);
	return n > 0 && memmem(text, n, "kvm_get_kvm_safe", strlen("kvm_get_kvm_safe"));
}

/* The only group there is. */
static int group_open(void)
{
	char path[64], link[128];
	ssize_t length;
	int fd;

	length = readlink("/sys/bus/platform/devices/vfio-device/iommu_group", link,
			  sizeof(link) - 1);
	if (length < 0)
		return -errno;
	link[length] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int file_add(const struct assigned *v)
{
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (uintptr_t)&v->group,
	};

	return ioctl(v->bridge, KVM_SET_DEVICE_ATTR, &attr) ? -errno : 0;
}

/* Everything except telling KVM of the group. */
static int prepare(struct assigned *v, const char *tag)
{
	struct kvm_create_device create = { .type = KVM_DEV_TYPE_VFIO };
	int r = vm_create(&v->vm, device_of(tag), 0);

	v->device = -1;
	if (r)
		return r;
	if (ioctl(v->vm->fd, KVM_CREATE_DEVICE, &create))
		return -errno;
	v->bridge = create.fd;
	v->group = group_open();
	if (v->group < 0)
		return v->group;
	v->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (v->container < 0 ||
	    ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container) ||
	    ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	return 0;
}

static int device_open(struct assigned *v)
{
	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, "vfio-device");
	return v->device < 0 ? -errno : 0;
}

static int assign(struct assigned *v, const char *tag)
{
	int r = prepare(v, tag);

	if (!r)
		r = file_add(v);
	return r ? r : device_open(v);
}

/* What vac says of the VMs that VFIO may hold. */
static void ok_held(const char *want, const char *when)
{
	char line[100] = "";

	sys_read(line, sizeof(line), "/sys/kernel/debug/vac/vfio");
	if (!ok(!strcmp(line, want), "VFIO knows of %s, %s", *want ? want : "no VM",
		when))
		diag("  %s", *line ? line : "of no VM");
}

static void close_vm(struct assigned *v)
{
	close(v->bridge);
	vm_destroy(v->vm);
}

static void close_device(struct assigned *v)
{
	close(v->device);
	close(v->group);
	close(v->container);
}

static void still_run(const char *when)
{
	int t;

	for (t = 0; t < 2; t++)
		if (!ok(!payload_run(device_of(tags[t]), payload_find("io"), 1, 30),
			"%s runs a guest, %s", tags[t], when))
			diag("  %s", work_why());
}

static void without_names(void)
{
	struct assigned v;
	struct klog log;
	const char *line;
	int held;

	need(prepare(&v, "b"), "a VM of b and a VFIO group");
	need(klog_mark(&log), "the kernel log can be read");
	ok_refused(file_add(&v), ENOENT, "without vac-vfio they are not tied");
	line = klog_find(&log, "kvm_b: modprobe vac-vfio");
	if (ok(line, "the log says why"))
		diag("  %s", line);
	klog_end(&log);
	held = mod_references("kvm-b");
	ok_errno(device_open(&v), "the device opens all the same");
	ok_is(mod_references("kvm-b"), held, "VFIO holds nothing of b");
	close_vm(&v);
	ok_is(instance_number_within("b", "vms", 0, 5), 0, "the VM goes");
	close_device(&v);
}

static void device_lives_longer(const char *tag, const char *other)
{
	char held[60], module[20];
	int others = mod_references(*other == 'a' ? "kvm-a" : "kvm-b");
	struct assigned v;
	int references;

	snprintf(module, sizeof(module), "kvm-%s", tag);
	need(prepare(&v, tag), "a VM of %s and a VFIO group", tag);
	need(file_add(&v), "they are tied");
	snprintf(held, sizeof(held), "instance=%s added=1 references=0", tag);
	ok_held(held, "before the device is open");
	references = mod_references(module);
	need(device_open(&v), "the device opens");
	snprintf(held, sizeof(held), "instance=%s added=1 references=1", tag);
	ok_held(held, "with the device open");
	ok_is(mod_references(module), references + 1, "VFIO holds %s", module);
	still_run("with the device open");

	close_vm(&v);
	snprintf(held, sizeof(held), "instance=%s added=0 references=1", tag);
	ok_held(held, "with the VM's files closed");
	ok_is(instance_number(tag, "vms"), 1, "the VM is there still");
	ok_is(mod_references(module), 1, "%s is held by VFIO alone", module);
	ok_refused(mod_remove(module), EAGAIN, "%s is not unloaded", module);
	ok_is(mod_references(*other == 'a' ? "kvm-a" : "kvm-b"), others,
	      "nothing has changed for %s", other);
	still_run("with the VM's files closed");

	close_device(&v);
	ok_is(instance_number_within(tag, "vms", 0, 5), 0, "the VM goes with the device");
	ok_held("", "afterwards");
	ok_is(mod_references(module), 0, "nobody holds %s", module);
}

static void vm_lives_longer(void)
{
	struct assigned v;

	need(assign(&v, "b"), "a VM of b has a VFIO device");
	close_device(&v);
	ok_held("instance=b added=1 references=0", "with the device closed");
	close_vm(&v);
	ok_is(instance_number_within("b", "vms", 0, 5), 0, "the VM goes");
	ok_held("", "with the VM gone");
}

static void killed(void)
{
	struct assigned v;
	int ready[2], status;
	char c;
	pid_t pid;

	need(pipe2(ready, O_CLOEXEC) ? -errno : 0, "a pipe");
	pid = fork();
	if (!pid) {
		c = !assign(&v, "b");
		if (write(ready[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	need(read(ready[0], &c, 1) == 1 && c ? 0 : -EIO, "a VMM with a VFIO device");
	ok_held("instance=b added=1 references=1", "before it is killed");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ready[0]);
	close(ready[1]);
	ok_is(instance_number_within("b", "vms", 0, 5), 0, "its VM goes");
	ok_held("", "once it was killed");
}

int main(void)
{
	if (!vfio_asks_by_name()) {
		skip("this kernel's VFIO holds no VM", "VFIO holds the right VM");
		return tap_end();
	}
	load_two();
	need(mod_insert("vfio", ""), "VFIO loads");
	need(mod_insert("vfio_iommu_type1", ""), "its IOMMU part loads");
	need(mod_insert("vfio-device", ""), "there is a VFIO device");

	without_names();
	need(mod_insert("vac-vfio", ""), "vac-vfio loads");
	device_lives_longer("b", "a");
	device_lives_longer("a", "b");
	vm_lives_longer();
	killed();

	ok_errno(mod_remove("vfio-device"), "the VFIO device goes");
	ok_errno(mod_remove_within("vac-vfio", 5), "vac-vfio unloads");
	unload_two();
	return tap_end();
}
