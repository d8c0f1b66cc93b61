// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM that goes to /dev/kvm as Firecracker's jailer does: in a root of its own, with a node that
 * it makes itself, as a user without any right.
 *
 * usage: jailed FOLDER UID GID
 *
 * Prints "a VM: /dev/kvm is 10:232" when it has one, which it keeps until it is killed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct stat node;
	uid_t uid;
	gid_t gid;
	int kvm, vm;

	if (argc != 4)
		errx(1, "usage: jailed FOLDER UID GID");
	uid = atoi(argv[2]);
	gid = atoi(argv[3]);

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) ||
	    mount(argv[1], argv[1], NULL, MS_BIND | MS_REC, NULL) || chdir(argv[1]))
		err(4, "%s", argv[1]);
	if (mkdir("old", 0700) || syscall(SYS_pivot_root, ".", "old") || chdir("/") ||
	    umount2("old", MNT_DETACH) || rmdir("old"))
		err(4, "pivot_root");
	if (mkdir("dev", 0755) || mknod("dev/kvm", S_IFCHR | 0600, makedev(10, 232)) ||
	    chown("dev/kvm", uid, gid))
		err(4, "dev/kvm");
	if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
		err(4, "setuid");

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0 || fstat(kvm, &node))
		err(2, "/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		err(3, "KVM_CREATE_VM");
	printf("a VM: /dev/kvm is %u:%u\n", major(node.st_rdev), minor(node.st_rdev));
	fflush(stdout);
	for (;;)
		pause();
}
