// SPDX-License-Identifier: GPL-2.0-only
/*
 * shared.c - who else has a part in the VM: another process with its memory, its files or one of
 * them, or a thread of the VMM with a table of files of its own. Such a one would go on with the
 * old VM beside the new one.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "move.h"

static bool same(pid_t one, pid_t other, int what)
{
	return syscall(SYS_kcmp, one, other, what, 0, 0) == 0;
}

/* Does another process have a file of the VM's? */
static bool holds(const struct move *move, pid_t pid)
{
	char path[64], name[64];
	struct dirent *entry;
	bool found = false;
	ssize_t length;
	DIR *fds;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fds = opendir(path);
	while (fds && !found && (entry = readdir(fds))) {
		length = readlinkat(dirfd(fds), entry->d_name, name, sizeof(name) - 1);
		if (length <= 0)
			continue;
		name[length] = '\0';
		if (strncmp(name, "anon_inode:kvm-v", 16))
			continue;
		for (i = 0; i < move->n_files && !found; i++)
			found = move->files[i].kind != DEVICE_FILE &&
				vm_same_file(move->target.pid, move->files[i].fd, pid,
					     atoi(entry->d_name));
	}
	if (fds)
		closedir(fds);
	return found;
}

static int by_number(const void *one, const void *other)
{
	const struct other *a = one, *b = other;

	return a->pid != b->pid ? (a->pid > b->pid) - (a->pid < b->pid)
				: (a->inode > b->inode) - (a->inode < b->inode);
}

/*
 * The processes that are there, each by its number and that of its inode in /proc, which another
 * process with the same number does not have. A process that has an inode no more only seems new.
 */
static int list(struct move *move, struct other **others, int *n)
{
	pid_t pid, own = move->target.pid;
	struct other *more;
	struct dirent *entry;
	int room = 0;
	DIR *proc = opendir("/proc");
	bool failed = !proc;

	*others = NULL;
	*n = 0;
	while (proc && (entry = readdir(proc))) {
		pid = atoi(entry->d_name);
		if (pid <= 0 || pid == own || pid == getpid())
			continue;
		if (*n == room) {
			room += 1024;
			more = realloc(*others, room * sizeof(*more));
			failed = !more;
			if (failed)
				break;
			*others = more;
		}
		(*others)[(*n)++] = (struct other){ pid, entry->d_ino };
	}
	if (proc)
		closedir(proc);
	if (failed)
		return target_fail(&move->target, SYSTEM, "cannot list processes");
	if (*n)
		qsort(*others, *n, sizeof(**others), by_number);
	return 0;
}

int vm_shared(struct move *move)
{
	pid_t pid, own = move->target.pid;
	int i, err = list(move, &move->others, &move->n_others);
	const char *what;
	char *comm;

	for (i = 0; i < move->n_others && !err; i++) {
		pid = move->others[i].pid;
		what = same(own, pid, KCMP_VM)	    ? "the memory"
		       : same(own, pid, KCMP_FILES) ? "the files"
		       : holds(move, pid)	    ? "a file of the VM"
						    : NULL;
		if (!what)
			continue;
		comm = host_read("/proc/%d/comm", pid);
		err = target_fail(&move->target, REFUSED,
				  "process %d (%s) shares %s of process %d\nnext: end it",
				  pid, comm ? comm : "?", what, own);
		free(comm);
	}
	return err;
}

/* All threads stand. */
int vm_still_alone(struct move *move)
{
	struct target *target = &move->target;
	struct other *others, *other;
	int i, n, err = list(move, &others, &n);
	size_t k;

	if (!err && !same(target->pid, target->pid, KCMP_FILES))
		err = target_fail(target, SYSTEM, "cannot compare processes: %s",
				  strerror(errno)); /* a kernel without kcmp() */
	for (k = 0; k < target->n && !err; k++)
		if (!same(target->pid, target->threads[k].tid, KCMP_FILES))
			err = target_fail(target, REFUSED,
					  "thread %d of process %d has a table of files "
					  "of its own, "
					  "which is not moved",
					  target->threads[k].tid, target->pid);
	for (i = 0; i < n && !err; i++) {
		other = &others[i];
		if (bsearch(other, move->others, move->n_others, sizeof(*other),
			    by_number))
			continue;
		if (same(target->pid, other->pid, KCMP_VM) ||
		    same(target->pid, other->pid, KCMP_FILES) || holds(move, other->pid))
			err = -EAGAIN;
	}
	free(others);
	return err;
}
