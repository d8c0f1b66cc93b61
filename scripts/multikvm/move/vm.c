// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - what a process has of KVM: files by what /proc calls them, and the pages of its vCPUs.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "move.h"

bool vm_same_file(pid_t one, int fd, pid_t other, int fd2)
{
	return syscall(SYS_kcmp, one, other, KCMP_FILE, fd, fd2) == 0;
}

static bool is_ours(const struct move *move, int fd)
{
	int i;

	for (i = 0; i < move->n_ours; i++)
		if (move->ours[i] == fd)
			return true;
	return false;
}

/*
 * By its number: a chroot or a mount namespace may have it under any name. /dev/kvm is of the
 * instance that was the default then, which can only be that of the VM.
 */
static bool is_device(struct move *move, int fds, const char *entry, const char *name)
{
	struct stat file, device;
	char path[40];

	if ((*name != '/' && *name != '(') || fstatat(fds, entry, &file, 0) ||
	    !S_ISCHR(file.st_mode))
		return false;
	if (file.st_rdev == makedev(10, 232))
		return true;
	snprintf(path, sizeof(path), "/dev/kvm-%s", move->from);
	return !stat(path, &device) && file.st_rdev == device.st_rdev;
}

/* 1: a file of KVM's; 0: another one; -ECANCELED: it cannot be moved. */
static int classify(struct move *move, int fds, const char *entry, const char *name,
		    struct vm_file *file)
{
	int end = 0;

	file->id = -1;
	if (is_device(move, fds, entry, name))
		file->kind = DEVICE_FILE;
	else if (!strcmp(name, "anon_inode:kvm-vm"))
		file->kind = VM_FILE;
	else if (sscanf(name, "anon_inode:kvm-vcpu:%d%n", &file->id, &end) == 1 &&
		 !name[end])
		file->kind = VCPU_FILE;
	else if (!strcmp(name, "anon_inode:kvm-vm-stats"))
		file->kind = VM_STATS_FILE;
	else if (sscanf(name, "anon_inode:kvm-vcpu-stats:%d%n", &file->id, &end) == 1 &&
		 !name[end])
		file->kind = VCPU_STATS_FILE;
	else if (!strncmp(name, "anon_inode:kvm", 14))
		return target_fail(&move->target, REFUSED,
				   "process %d has %s open, which is not moved%s",
				   move->target.pid, name + 11,
				   strstr(name, "vfio") ? ": it pins its VM where it is"
							: "");
	else
		return 0;
	return 1;
}

static int flags_of(pid_t pid, int fd)
{
	char path[64], line[80];
	int flags = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file) && sscanf(line, "flags: %o", &flags) != 1)
		;
	fclose(file);
	return flags;
}

static int by_fd(const void *one, const void *other)
{
	return ((const struct vm_file *)one)->fd - ((const struct vm_file *)other)->fd;
}

/* By number. */
static int list_files(struct move *move, struct vm_file **files, int *n)
{
	pid_t pid = move->target.pid;
	struct vm_file file, *more;
	char path[64], name[256];
	struct dirent *entry;
	int err = 0;
	ssize_t length;
	DIR *fds;

	*files = NULL;
	*n = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fds = opendir(path);
	if (!fds)
		return target_fail(&move->target, NOT_FOUND, "there is no process %d",
				   pid);
	while (err >= 0 && (entry = readdir(fds))) {
		file = (struct vm_file){ .fd = atoi(entry->d_name),
					 .old = -1,
					 .new = -1 };
		length = readlinkat(dirfd(fds), entry->d_name, name, sizeof(name) - 1);
		if (*entry->d_name == '.' || length < 0 || is_ours(move, file.fd))
			continue;
		name[length] = '\0';
		err = classify(move, dirfd(fds), entry->d_name, name, &file);
		if (err <= 0)
			continue;
		more = realloc(*files, (*n + 1) * sizeof(file));
		if (!more) {
			err = target_fail(&move->target, SYSTEM, "no memory");
			continue;
		}
		*files = more;
		more[(*n)++] = file;
	}
	closedir(fds);
	if (*n)
		qsort(*files, *n, sizeof(file), by_fd);
	return err < 0 ? err : 0;
}

/* And which are the same. */
static int find_files(struct move *move)
{
	int err = list_files(move, &move->files, &move->n_files), i, k;
	pid_t pid = move->target.pid;
	struct vm_file *file;

	for (i = 0; i < move->n_files; i++) {
		file = &move->files[i];
		file->dup_flags = flags_of(pid, file->fd) & O_CLOEXEC;
		for (k = 0; k < i; k++)
			if (move->files[k].kind == file->kind &&
			    vm_same_file(pid, move->files[k].fd, pid, file->fd))
				break;
		file->first = k;
	}
	return err;
}

struct maps {
	struct move *move;
	struct run_map *all;
	int n;
};

static int each_map(const struct mapping *map, void *data)
{
	struct run_map one = { .start = map->start, .size = map->end - map->start };
	struct maps *maps = data;
	struct run_map *more;
	int i;

	if (sscanf(map->name, "anon_inode:kvm-vcpu:%d", &one.id) != 1)
		return 0;
	for (i = 0; i < maps->move->n_maps; i++)
		if (maps->move->maps[i].new == map->start)
			return 0; /* made by us */
	if (map->offset || map->prot[3] != 's')
		return target_fail(
			&maps->move->target, REFUSED,
			"process %d has mapped vCPU %d in a way that is not moved: %s",
			maps->move->target.pid, one.id,
			map->offset ? "a dirty ring" : "private");
	one.prot = (map->prot[0] == 'r' ? PROT_READ : 0) |
		   (map->prot[1] == 'w' ? PROT_WRITE : 0);
	more = realloc(maps->all, (maps->n + 1) * sizeof(one));
	if (!more)
		return target_fail(&maps->move->target, SYSTEM, "no memory");
	maps->all = more;
	more[maps->n++] = one;
	return 0;
}

static int find_maps(struct move *move, struct run_map **all, int *n)
{
	struct maps maps = { .move = move };
	int err = target_maps(&move->target, each_map, &maps);

	*all = maps.all;
	*n = maps.n;
	return err;
}

struct vcpu *vm_vcpu(struct move *move, int id)
{
	int i;

	for (i = 0; i < move->n_vcpus; i++)
		if (move->vcpus[i].id == id)
			return &move->vcpus[i];
	return NULL;
}

static int by_id(const void *one, const void *other)
{
	return ((const struct vcpu *)one)->id - ((const struct vcpu *)other)->id;
}

/* Each vCPU once. */
static int find_vcpus(struct move *move)
{
	struct vm_file *file;
	int i;

	move->vcpus = calloc(move->n_files + 1, sizeof(*move->vcpus));
	if (!move->vcpus)
		return target_fail(&move->target, SYSTEM, "no memory");
	move->vm = -1;
	for (i = 0; i < move->n_files; i++) {
		file = &move->files[i];
		if (file->first != i)
			continue;
		if ((file->kind == VM_FILE && move->vm >= 0) ||
		    (file->kind == VCPU_FILE && vm_vcpu(move, file->id)))
			return target_fail(
				&move->target, REFUSED,
				"process %d has more than one VM, which are not moved\n"
				"next: end all but one",
				move->target.pid);
		if (file->kind == VM_FILE)
			move->vm = file->fd;
		if (file->kind == VCPU_FILE)
			move->vcpus[move->n_vcpus++] = (struct vcpu){ .id = file->id,
								      .fd = file->fd,
								      .new = -1 };
	}
	if (move->vm < 0)
		return target_fail(&move->target, NOT_FOUND,
				   "process %d has no VM\nnext: multikvm ps",
				   move->target.pid);
	qsort(move->vcpus, move->n_vcpus, sizeof(*move->vcpus), by_id);
	return 0;
}

/* A vCPU that was made in between has a mapping, and its file is there when one looks again. */
static int match_maps(struct move *move)
{
	struct vm_file *files;
	int i, n, err;

	for (i = 0; i < move->n_maps; i++) {
		if (vm_vcpu(move, move->maps[i].id))
			continue;
		err = list_files(move, &files, &n);
		free(files);
		if (err)
			return err;
		if (n != move->n_files)
			return -EAGAIN;
		return target_fail(&move->target, REFUSED,
				   "process %d has closed the file of vCPU %d",
				   move->target.pid, move->maps[i].id);
	}
	return 0;
}

int vm_find(struct move *move)
{
	int err = find_files(move);

	if (!err)
		err = find_vcpus(move);
	if (!err)
		err = find_maps(move, &move->maps, &move->n_maps);
	return err ? err : match_maps(move);
}

/* The same files under the same numbers, none more and none less; the pages are where they were. */
bool vm_unchanged(struct move *move)
{
	struct vm_file *files = NULL;
	struct run_map *maps = NULL;
	pid_t pid = move->target.pid;
	int i, n, n_maps;
	bool same;

	same = !list_files(move, &files, &n) && n == move->n_files &&
	       !find_maps(move, &maps, &n_maps) && n_maps == move->n_maps;
	for (i = 0; same && i < n; i++)
		same = files[i].fd == move->files[i].fd &&
		       vm_same_file(pid, files[i].fd, pid, move->files[i].old);
	for (i = 0; same && i < n_maps; i++)
		same = maps[i].start == move->maps[i].start &&
		       maps[i].size == move->maps[i].size &&
		       maps[i].id == move->maps[i].id;
	free(files);
	free(maps);
	return same;
}

void vm_forget(struct move *move)
{
	int i;

	for (i = 0; i < move->n_vcpus; i++)
		free(move->vcpus[i].msrs);
	free(move->files);
	free(move->maps);
	free(move->vcpus);
	free(move->ours);
	free(move->others);
	free(move->record);
	free(move->arenas[0].local);
	free(move->arenas[1].local);
	program_free(&move->asked);
	move->files = NULL;
	move->maps = NULL;
	move->vcpus = NULL;
	move->ours = NULL;
	move->others = NULL;
	move->record = NULL;
	move->arenas[0] = move->arenas[1] = (struct arena){ 0 };
	move->n_files = move->n_maps = move->n_vcpus = move->n_ours = 0;
	move->n_others = 0;
}
