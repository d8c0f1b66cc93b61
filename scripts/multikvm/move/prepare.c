// SPDX-License-Identifier: GPL-2.0-only
/*
 * prepare.c - the VM in the new instance, made while the guest runs: what the VMM has set, vCPUs,
 * and the files and mappings that will take the place of the old ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "move.h"

static int open_device(struct move *move, const char *tag)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/dev/kvm-%s", tag);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return target_fail(&move->target, errno == ENOENT ? NOT_FOUND : SYSTEM,
				   "cannot open %s: %s", path, strerror(errno));
	return fd;
}

static bool tsc_is_stable(void)
{
	char *source = host_read("/sys/devices/system/clocksource/clocksource0/"
				 "current_clocksource");
	bool stable = source && !strcmp(source, "tsc");

	free(source);
	return stable;
}

static bool host_is_intel(void)
{
	char *vendor = host_read("/sys/kernel/vac/vendor");
	bool intel = vendor && !strcmp(vendor, "intel");

	free(vendor);
	return intel;
}

static int biggest(int one, int other)
{
	return one > other ? one : other;
}

static int extension(int device, int cap)
{
	int result = ioctl(device, KVM_CHECK_EXTENSION, cap);

	return result < 0 ? 0 : result;
}

/* What the two instances say of themselves, and what is seen at once that cannot work. */
static int ask_instances(struct move *move)
{
	int size, i, old, new;

	move->old_device = open_device(move, move->from);
	if (move->old_device < 0)
		return move->old_device;
	move->device = open_device(move, move->to);
	if (move->device < 0)
		return move->device;
	move->stable_tsc = tsc_is_stable();
	move->is_vmx = host_is_intel();
	move->xcrs = extension(move->old_device, KVM_CAP_XCRS);
	old = extension(move->old_device, KVM_CAP_NESTED_STATE);
	new = extension(move->device, KVM_CAP_NESTED_STATE);
	if (old && !new)
		return target_fail(
			&move->target, REFUSED,
			"%s has no state of guests' guests, %s has: its parameter "
			"nested",
			move->to, move->from);
	move->nested_size = old ? biggest(old, new) : 0;
	size = ioctl(move->device, KVM_GET_VCPU_MMAP_SIZE, 0);
	for (i = 0; i < move->n_maps; i++)
		if ((uint64_t)size < move->maps[i].size)
			return target_fail(
				&move->target, REFUSED,
				"%s has %d bytes of struct kvm_run, process %d has "
				"mapped %llu",
				move->to, size, move->target.pid,
				(unsigned long long)move->maps[i].size);
	return 0;
}

static int add_ours(struct move *move, int fd)
{
	int *more = realloc(move->ours, (move->n_ours + 1) * sizeof(*more));

	if (!more)
		return target_fail(&move->target, SYSTEM, "no memory");
	move->ours = more;
	more[move->n_ours++] = fd;
	return 0;
}

/* Files in the process that a program has made. */
static int add_made(struct move *move, const struct program *program)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < program->n && !err; i++)
		if (program->steps[i].undo == UNDO_CLOSE && program->steps[i].result >= 0)
			err = add_ours(move, program->steps[i].result);
	return err;
}

/* Three copies of the state of each vCPU, with lists of MSRs, the programs, and the record. */
static size_t arena_size(const struct move *move)
{
	size_t state = move->nested_size + 96 * 1024;

	return (4UL << 20) + (3 * state + 128 * 1024) * move->n_vcpus;
}

static int read_record(struct move *move)
{
	size_t size = 1 << 20;
	int err, i;

	for (;;) {
		move->arena = &move->arenas[1];
		err = arena_make(move, size);
		if (!err)
			err = record_read(move);
		if (err != -E2BIG)
			break;
		size *= 2;
	}
	for (i = 0; i < move->n_vcpus && !err; i++) {
		move->vcpus[i].busy = arena_take(move, sizeof(*move->vcpus[i].busy));
		if (!move->vcpus[i].busy)
			err = -ECANCELED;
	}
	if (!err)
		err = ask_load(move);
	move->arena = &move->arenas[0];
	if (!err)
		err = arena_make(move, arena_size(move) + move->record_size * 4);
	return err ? err : record_check(move);
}

/* By the VMs' files, in the process: what it may use of XSAVE counts. */
static int ask_vms(struct move *move)
{
	struct program program = { .vcpu = -1 };
	int i, err;

	for (i = 0; i < 2; i++)
		program_ioctl(&program, "KVM_CAP_XSAVE2", i ? move->new_vm : move->vm,
			      KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	err = program_run(move, &program);
	move->xsave2 = !err && program.steps[0].result > 0;
	move->xsave_size = sizeof(struct kvm_xsave);
	for (i = 0; i < 2 && !err; i++)
		move->xsave_size = biggest(move->xsave_size, program.steps[i].result);
	program_free(&program);
	return err;
}

static int make_vm(struct move *move)
{
	struct program program = { .vcpu = -1 };
	struct step *create;
	int err;

	/* The device is opened here and handed over: what the process may open does not matter. */
	program_add(&program, "nothing", (struct step){ .kind = STEP_FORGET });
	err = program_try(move, &program, move->device);
	if (!err && move->answer.fd < 0)
		err = target_fail(&move->target, REFUSED,
				  "process %d may not have /dev/kvm-%s, or more files",
				  move->target.pid, move->to);
	if (!err)
		err = add_ours(move, move->answer.fd);
	program_free(&program);
	if (err)
		return err;
	move->new_device = move->answer.fd;
	create = program_call(&program, "KVM_CREATE_VM", UNDO_CLOSE, SYS_ioctl,
			      move->new_device, KVM_CREATE_VM, 0, 0);
	err = program_run(move, &program);
	create = &program.steps[0];
	move->new_vm = create->result;
	if (!err)
		err = add_made(move, &program);
	program_free(&program);
	return err ? err : ask_vms(move);
}

static int replay(struct move *move, int vcpu)
{
	struct program program = { .vcpu = vcpu };
	size_t used = move->arena->used;
	int err = record_replay(move, vcpu, &program);

	if (!err)
		err = program_run(move, &program);
	program_free(&program);
	move->arena->used = used;
	return err;
}

static int make_vcpus(struct move *move)
{
	struct program program = { .vcpu = -1 };
	int i, err;

	for (i = 0; i < move->n_vcpus; i++) {
		program.vcpu = i;
		program_call(&program, "KVM_CREATE_VCPU", UNDO_CLOSE, SYS_ioctl,
			     move->new_vm, KVM_CREATE_VCPU, move->vcpus[i].id, 0);
	}
	err = program_run(move, &program);
	for (i = 0; i < move->n_vcpus && !err; i++)
		move->vcpus[i].new = program.steps[i].result;
	if (!err)
		err = add_made(move, &program);
	program_free(&program);
	for (i = 0; i < move->n_vcpus && !err; i++)
		err = replay(move, i);
	return err;
}

/* What takes the place of an open file of KVM's; files that are duplicates share it. */
static void add_new_file(struct move *move, struct program *program,
			 const struct vm_file *file)
{
	struct vcpu *vcpu = vm_vcpu(move, file->id);
	int fd = file->kind == VCPU_STATS_FILE && vcpu ? vcpu->new : move->new_vm;

	program_call(program, "KVM_GET_STATS_FD", UNDO_CLOSE, SYS_ioctl, fd,
		     KVM_GET_STATS_FD, 0, 0);
}

static bool is_stats(const struct vm_file *file)
{
	return file->kind == VM_STATS_FILE || file->kind == VCPU_STATS_FILE;
}

/* Second numbers of the old files, by which they come back, or go when all is over. */
static int make_files(struct move *move)
{
	struct program program = { .vcpu = -1 };
	struct vm_file *file, *first;
	struct step *step;
	int i, n = 0, err;

	for (i = 0; i < move->n_files; i++) {
		file = &move->files[i];
		if (file->first != i)
			continue;
		program_call(&program, "F_DUPFD_CLOEXEC", UNDO_CLOSE, SYS_fcntl, file->fd,
			     F_DUPFD_CLOEXEC, 3, 0);
		if (is_stats(file))
			add_new_file(move, &program, file);
	}
	err = program_run(move, &program);
	if (!err)
		err = add_made(move, &program);
	for (i = 0; i < move->n_files && !err; i++) {
		file = &move->files[i];
		first = &move->files[file->first];
		if (first == file) {
			step = &program.steps[n++];
			file->old = step->result;
			if (is_stats(file))
				file->new = program.steps[n++].result;
			else if (file->kind == VCPU_FILE)
				file->new = vm_vcpu(move, file->id)->new;
			else
				file->new = file->kind == VM_FILE ? move->new_vm
								  : move->new_device;
		}
		file->old = first->old;
		file->new = first->new;
	}
	program_free(&program);
	return err;
}

static int make_maps(struct move *move)
{
	struct program program = { .vcpu = -1 };
	struct run_map *map;
	struct step *step;
	int i, err;

	for (i = 0; i < move->n_maps; i++) {
		map = &move->maps[i];
		step = program_call(&program, "mmap of struct kvm_run", UNDO_UNMAP,
				    SYS_mmap, 0, map->size, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_POPULATE);
		step->argument[4] = vm_vcpu(move, map->id)->new;
	}
	err = program.n ? program_run(move, &program) : 0;
	for (i = 0; i < move->n_maps && !err; i++)
		move->maps[i].new = program.steps[i].result;
	program_free(&program);
	return err;
}

int prepare(struct move *move)
{
	int err = ask_instances(move);

	if (!err)
		err = read_record(move);
	if (!err)
		err = make_vm(move);
	if (!err)
		err = replay(move, -1);
	if (!err)
		err = make_vcpus(move);
	if (!err)
		err = make_files(move);
	if (!err)
		err = make_maps(move);
	return err;
}
