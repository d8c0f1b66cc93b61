// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: wherever KVM takes a file descriptor, one of another instance is refused just as one
 * of /dev/null is (hazard 22): SEV mirror and migration, the kvm-vfio device, irqfd. And
 * wherever KVM tells them apart, one of its own gets another answer, so the test would notice. SEV
 * is AMD's: on Intel those two take no file at all.
 *
 * fails when: both sides are one KVM: with stock kvm on both sides the SEV mirror and
 * migration of "the other's" VM are answered differently (AMD). When what is given as the
 * other's VM is an eventfd, which irqfd takes.
 *
 * machine: --cpus 1
 * series: first
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"

struct machine {
	int dev, vm, vcpu, vfio; /* vfio: -1 if there is no such device */
};

static int attempt(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int enable(int vm, unsigned int cap, int fd)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { fd } };

	return attempt(vm, KVM_ENABLE_CAP, &c);
}

static int mirror(struct machine *m, int fd)
{
	return enable(m->vm, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, fd);
}

static int migrate(struct machine *m, int fd)
{
	return enable(m->vm, KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, fd);
}

static int vfio_add(struct machine *m, int fd)
{
	struct kvm_device_attr a = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (unsigned long)&fd,
	};

	return attempt(m->vfio, KVM_SET_DEVICE_ATTR, &a);
}

static int irqfd(struct machine *m, int fd)
{
	struct kvm_irqfd i = { .fd = fd, .gsi = 5 };

	return attempt(m->vm, KVM_IRQFD, &i);
}

static int resample(struct machine *m, int fd)
{
	struct kvm_irqfd i = { .gsi = 5,
			       .flags = KVM_IRQFD_FLAG_RESAMPLE,
			       .resamplefd = fd };
	int r;

	i.fd = eventfd(0, EFD_CLOEXEC); /* a good one */
	r = attempt(m->vm, KVM_IRQFD, &i);
	close(i.fd);
	return r;
}

static int ioeventfd(struct machine *m, int fd)
{
	struct kvm_ioeventfd i = {
		.addr = 0x600,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	return attempt(m->vm, KVM_IOEVENTFD, &i);
}

static const struct {
	const char *name;
	int (*run)(struct machine *m, int fd);
	int own; /* AMD: errno for a VM of the same instance, 0 if as for any file */
} uses[] = {
	/* clang-format off */
	{ "SEV mirror", mirror, EINVAL },
	{ "SEV migration", migrate, EINVAL },
	{ "kvm-vfio group", vfio_add, 0 },
	{ "irqfd", irqfd, 0 },
	{ "irqfd resample", resample, 0 },
	{ "ioeventfd", ioeventfd, 0 },
	/* clang-format on */
};

static void open_machine(struct machine *m, const char *tag)
{
	struct kvm_create_device d = { .type = KVM_DEV_TYPE_VFIO };

	m->dev = open(device_of(tag), O_RDWR | O_CLOEXEC);
	m->vm = ioctl(m->dev, KVM_CREATE_VM, 0);
	need(m->vm < 0 ? -errno : 0, "%s makes a VM", tag);
	need(attempt(m->vm, KVM_CREATE_IRQCHIP, NULL), "%s makes an irqchip", tag);
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	m->vfio = attempt(m->vm, KVM_CREATE_DEVICE, &d) ? -1 : (int)d.fd;
}

static void close_machine(struct machine *m)
{
	close(m->vcpu);
	if (m->vfio >= 0)
		close(m->vfio);
	close(m->vm);
	close(m->dev);
}

static void try_all(struct machine *mine, struct machine *own, struct machine *other,
		    const char *tag)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct {
		const char *name;
		int fd;
	} foreign[] = {
		{ "VM", other->vm },
		{ "vCPU", other->vcpu },
		{ "device", other->dev },
		{ "kvm-vfio device", other->vfio },
	};
	unsigned int u, f;
	int as_null, r;

	for (u = 0; u < sizeof(uses) / sizeof(uses[0]); u++) {
		if (uses[u].run == vfio_add && mine->vfio < 0) {
			skip("no kvm-vfio in this kernel", "%s: %s", tag, uses[u].name);
			continue;
		}
		as_null = uses[u].run(mine, null);
		ok(as_null < 0, "%s: %s refuses /dev/null: %s", tag, uses[u].name,
		   strerror(-as_null));
		for (f = 0; f < sizeof(foreign) / sizeof(foreign[0]); f++) {
			if (foreign[f].fd < 0)
				continue;
			r = uses[u].run(mine, foreign[f].fd);
			ok_is(r, as_null,
			      "%s: %s refuses a %s of the other in the same way", tag,
			      uses[u].name, foreign[f].name);
		}
		r = uses[u].run(mine, own->vm);
		if (uses[u].own && !cpu_intel())
			ok(r == -uses[u].own && r != as_null,
			   "%s: %s knows a VM of its own: %s", tag, uses[u].name,
			   strerror(-r));
		else
			ok_is(r, as_null, "%s: %s takes no VM at all", tag, uses[u].name);
	}
	close(null);
}

int main(void)
{
	struct machine m[2], second[2];
	int t;

	load_two();
	for (t = 0; t < 2; t++) {
		open_machine(&m[t], tags[t]);
		open_machine(&second[t], tags[t]);
	}
	for (t = 0; t < 2; t++)
		try_all(&m[t], &second[t], &m[!t], tags[t]);
	for (t = 0; t < 2; t++) {
		close_machine(&m[t]);
		close_machine(&second[t]);
	}
	for (t = 0; t < 2; t++)
		ok_is(instance_number_within(tags[t], "references", 0, 5), 0,
		      "%s has no reference left", tags[t]);
	unload_two();
	return tap_end();
}
