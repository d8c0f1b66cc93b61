// SPDX-License-Identifier: GPL-2.0-only
/*
 * run.c - a command and its children for whom /dev/kvm is an instance: in a mount namespace of
 * their own /dev/kvm-<tag> lies on it. Who is not root gets that by a user namespace, in which it
 * keeps its user and its groups, and no more rights than it had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "multikvm.h"

static int put(const char *path, const char *text)
{
	ssize_t size = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, size) != size)
		err = -errno;
	close(fd);
	return err;
}

/* As in user_namespaces(7): one user and one group, each as itself. */
static int keep_ids(uid_t uid, gid_t gid)
{
	char map[64];
	int err = put("/proc/self/setgroups", "deny");

	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (!err)
		err = put("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return err ? err : put("/proc/self/gid_map", map);
}

enum status do_run(int argc, char **argv)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char device[40];
	int err = 0;

	if (argc < 4 || strcmp(argv[2], "--"))
		return usage(argv[0]);
	if (!only_tag(2, argv))
		return USAGE;
	snprintf(device, sizeof(device), "/dev/kvm-%s", argv[1]);
	if (access(device, F_OK))
		return fail(
			NOT_FOUND,
			"%s is not loaded: there is no %s\nnext: sudo multikvm load %s",
			argv[1], device, argv[1]);
	if (access(device, R_OK | W_OK))
		return fail(REFUSED,
			    "%s may not be opened by this user: %s\n"
			    "next: sudo adduser USER kvm, and log in again",
			    device, strerror(errno));
	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)))
		return fail(SYSTEM, "no namespace for the command: %s%s", strerror(errno),
			    uid ? "\nnext: the same as root, or sysctl "
				  "kernel.unprivileged_userns_clone=1"
				: "");
	if (uid)
		err = keep_ids(uid, gid);
	if (!err && (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) ||
		     mount(device, "/dev/kvm", NULL, MS_BIND, NULL)))
		err = -errno;
	if (err)
		return fail(SYSTEM, "cannot put %s at /dev/kvm for the command: %s",
			    device, strerror(-err));
	process_release();
	execvp(argv[3], argv + 3);
	err = errno;
	return fail(err == ENOENT ? NOT_FOUND : SYSTEM, "cannot run %s: %s", argv[3],
		    strerror(err));
}
