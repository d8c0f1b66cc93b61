// SPDX-License-Identifier: GPL-2.0-only
/*
 * switch.c - the pause. All threads of the VMM stand; the helper reads the old VM, sets the new
 * one, compares, and puts the new files and mappings in the place of the old ones.
 *
 * The guard may be killed at any time. Before the helper begins, threads then go on with the old
 * VM. Once it has begun it ends by itself, with the new VM or, if a step fails, with the old one,
 * and only then do they go on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "move.h"

#define TRIES	 20
#define STANDING 10 /* times the longest pause: that of all tries together */

/* How long a vCPU that is not ready runs until it is asked again. */
#define LET_RUN (200 * MS / 1000)

static bool is_ready(const struct move *move, const struct thread *thread)
{
	const struct user_regs_struct *regs = &thread->regs;
	int i;

	if (regs->orig_rax != SYS_ioctl || (uint32_t)regs->rsi != KVM_RUN ||
	    (long)regs->rax != -EINTR)
		return false;
	for (i = 0; i < move->n_vcpus; i++)
		if (move->vcpus[i].fd == (int)regs->rdi)
			return !move->vcpus[i].busy->busy;
	return false;
}

int ask_load(struct move *move)
{
	struct program *program = &move->asked;
	struct vcpu *vcpu;
	int i;

	program_free(program);
	for (i = 0; i < move->n_vcpus; i++) {
		vcpu = &move->vcpus[program->vcpu = i];
		vcpu->busy->version = KVM_MOVE_VERSION;
		program_ioctl(program, "KVM_MOVE_VCPU", vcpu->fd, KVM_MOVE_VCPU,
			      arena_there(move, vcpu->busy));
	}
	program->vcpu = -1;
	i = record_ask(move, program, move->record_size);
	return i ? i : program_load(move, program, NULL, &move->ask);
}

/* Takes the answers; `all` is what any vCPU is busy with. */
static int ask(struct move *move, uint32_t *all, uint64_t until)
{
	int i, err;

	for (i = 0; i < move->n_vcpus; i++)
		move->vcpus[i].busy->busy = 0;
	err = program_ask(move, &move->ask, until);
	move->arena = &move->arenas[1];
	if (!err)
		err = arena_read(move, move->arena->local, move->arena->used);
	move->arena = &move->arenas[0];
	/* The record is the last step: it has become longer. */
	if (!err && move->answer.failed == move->n_vcpus)
		return -EAGAIN;
	if (!err && move->answer.failed >= 0) {
		err = program_results(move, &move->asked, &move->ask);
		return err ? err : program_failed(move, &move->asked, SYSTEM, "");
	}
	*all = 0;
	for (i = 0; i < move->n_vcpus && !err; i++)
		*all |= move->vcpus[i].busy->busy;
	return err;
}

int too_busy(struct move *move)
{
	uint32_t busy;
	int i;

	for (i = 0; i < move->n_vcpus && !move->vcpus[i].busy->busy; i++)
		;
	if (i == move->n_vcpus)
		return target_fail(&move->target, REFUSED,
				   "process %d does not stand still in %u ms\n"
				   "next: the same with a longer --max-pause",
				   move->target.pid, move->max_pause);
	busy = move->vcpus[i].busy->busy;
	return target_fail(
		&move->target, REFUSED,
		"vCPU %d is not ready to be moved: %s\nnext: the same again, with a "
		"longer --max-pause",
		move->vcpus[i].id,
		busy & KVM_MOVE_L2	  ? "it runs a guest of the guest"
		: busy & KVM_MOVE_REQUEST ? "KVM has to do something for it first"
					  : "the VMM has not yet answered an exit");
}

/*
 * All threads stand, no vCPU has anything half done. Those that have run on, with all threads that
 * they may wait for; the others stand already.
 */
int quiesce(struct move *move, uint64_t until)
{
	struct target *target = &move->target;
	uint64_t let_run;
	uint32_t busy = 0;
	size_t i;
	int err;

	err = threads_seize(target, until);
	while (!err) {
		err = threads_stop(target, until);
		if (!err)
			err = ask(move, &busy, until);
		if (!err && !busy && (!vm_unchanged(move) || !record_unchanged(move)))
			err = -EAGAIN;
		if (!err && !busy)
			err = vm_still_alone(move);
		if (err || !busy)
			break;
		if (busy & KVM_MOVE_DEBUG)
			return target_fail(
				target, REFUSED,
				"the VM is being debugged (KVM_SET_GUEST_DEBUG)\n"
				"next: the same without");
		if (now_ns() > until)
			return -EBUSY;
		for (i = 0; i < target->n && !err; i++)
			if (!is_ready(move, &target->threads[i]))
				err = thread_continue(target, &target->threads[i]);
		let_run = now_ns() + LET_RUN;
		while (!err && now_ns() < let_run)
			err = threads_wait(target, let_run);
		if (err == -ETIMEDOUT)
			err = 0;
	}
	return err;
}

/* The PIT, who holds a line, and what devices want that share one. */
static void add_chips(struct move *move, struct program *program, int vm, bool set)
{
	if (move->has_chips)
		program_ioctl(program, set ? "KVM_MOVE_SET_CHIPS" : "KVM_MOVE_CHIPS", vm,
			      set ? KVM_MOVE_SET_CHIPS : KVM_MOVE_CHIPS,
			      arena_there(move, move->untold));
}

/* The new VM's PIT, which KVM_SET_PIT2 starts, stands until all is set. */
static void stop_new_pit(struct move *move, struct program *program)
{
	if (move->has_pit)
		program_ioctl(program, "KVM_MOVE_CHIPS", move->new_vm, KVM_MOVE_CHIPS,
			      arena_there(move, move->unused));
}

/* What is read, set and compared. */
static void add_state(struct move *move, struct program *program)
{
	uint64_t clock = arena_there(move, move->clock);
	struct vcpu *vcpu;
	int i, chip;

	stop_new_pit(move, program);
	add_chips(move, program, move->vm, false);
	for (i = 0; i < move->n_vcpus; i++) {
		vcpu = &move->vcpus[program->vcpu = i];
		state_get(move, program, vcpu->fd, &vcpu->now);
		if (vcpu->n_fixed)
			program_same(program, "MSRs that cannot be set there",
				     arena_there(move, vcpu->now.part[FIXED_MSRS]),
				     arena_there(move, vcpu->fixed),
				     sizeof(*vcpu->fixed) +
					     vcpu->n_fixed * sizeof(*vcpu->msrs));
	}
	program->vcpu = -1;
	for (chip = 0; chip < 3 && move->has_chips; chip++)
		program_ioctl(program, "KVM_GET_IRQCHIP", move->vm, KVM_GET_IRQCHIP,
			      arena_there(move, &move->chips[chip]));
	if (move->has_pit)
		program_ioctl(program, "KVM_GET_PIT2", move->vm, KVM_GET_PIT2,
			      arena_there(move, move->pit));
	for (i = 0; i < move->n_vcpus; i++) {
		vcpu = &move->vcpus[program->vcpu = i];
		state_set(move, program, vcpu, &vcpu->now);
	}
	for (i = 0; i < move->n_vcpus; i++) {
		vcpu = &move->vcpus[program->vcpu = i];
		state_get(move, program, vcpu->new, &vcpu->check);
		state_compare(move, program, &vcpu->now, &vcpu->check, vcpu->n_compared);
	}
	program->vcpu = -1;
	for (chip = 0; chip < 3 && move->has_chips; chip++)
		program_ioctl(program, "KVM_SET_IRQCHIP", move->new_vm, KVM_SET_IRQCHIP,
			      arena_there(move, &move->chips[chip]));
	if (move->has_pit)
		program_ioctl(program, "KVM_SET_PIT2", move->new_vm, KVM_SET_PIT2,
			      arena_there(move, move->pit));
	stop_new_pit(move, program);
	/* The time that passes in between is added by KVM, if it said when that was. */
	program_ioctl(program, "KVM_GET_CLOCK", move->vm, KVM_GET_CLOCK, clock);
	program_add(program, "flags of the clock",
		    (struct step){
			    .kind = STEP_AND,
			    .argument = { clock + offsetof(struct kvm_clock_data, flags),
					  KVM_CLOCK_REALTIME } });
	program_ioctl(program, "KVM_SET_CLOCK", move->new_vm, KVM_SET_CLOCK, clock);
	for (i = 0; i < move->n_vcpus; i++) {
		vcpu = &move->vcpus[program->vcpu = i];
		state_set_late(move, program, vcpu, &vcpu->now);
	}
	program->vcpu = -1;
}

/* New files and pages in the place of the old ones. It can fail for lack of memory only. */
static void add_switch(struct move *move, struct program *program)
{
	struct vm_file *file;
	struct run_map *map;
	struct step *step;
	int i;

	for (i = 0; i < move->n_maps; i++) {
		map = &move->maps[i];
		step = program_call(program, "mremap of struct kvm_run", UNDO_NOTHING,
				    SYS_mremap, map->new, map->size, map->size,
				    MREMAP_MAYMOVE | MREMAP_FIXED);
		step->argument[4] = map->start;
		program_add(program, "nothing",
			    (struct step){ .kind = STEP_FORGET,
					   .argument = { SYS_munmap, map->new } });
		if (map->prot != (PROT_READ | PROT_WRITE))
			program_call(program, "mprotect of struct kvm_run", UNDO_NOTHING,
				     SYS_mprotect, map->start, map->size, map->prot, 0);
	}
	for (i = 0; i < move->n_files; i++) {
		file = &move->files[i];
		step = program_call(program, "dup3", UNDO_NOTHING, SYS_dup3, file->new,
				    file->fd, file->dup_flags, 0);
		step->want = WANT_VALUE;
		step->value = file->fd;
	}
}

/* The way back from any step; each of these may find that it was not needed. */
static int add_back(struct move *move, struct program *back)
{
	struct vm_file *file;
	struct run_map *map;
	struct step *step;
	int i, k, err;

	for (i = 0; i < move->n_files; i++) {
		file = &move->files[i];
		program_call(back, "dup3 back", UNDO_NOTHING, SYS_dup3, file->old,
			     file->fd, file->dup_flags, 0);
	}
	for (i = 0; i < move->n_maps; i++) {
		map = &move->maps[i];
		for (k = 0;
		     move->files[k].kind != VCPU_FILE || move->files[k].id != map->id;)
			k++;
		step = program_call(back, "mmap of the old struct kvm_run", UNDO_NOTHING,
				    SYS_mmap, map->start, map->size, map->prot,
				    MAP_SHARED | MAP_FIXED);
		step->argument[4] = move->files[k].old;
	}
	i = back->n;
	err = record_irqfds(move, back, false, move->new_vm);
	if (!err)
		err = record_irqfds(move, back, true, move->vm);
	add_chips(move, back, move->vm, true);
	for (; (uint32_t)i < back->n; i++)
		back->steps[i].want = WANT_ANY;
	return err;
}

static int take_state(struct move *move)
{
	struct vcpu *vcpu;
	int i;

	move->clock = arena_take(move, sizeof(*move->clock));
	move->pit = arena_take(move, sizeof(*move->pit));
	move->untold = arena_take(move, sizeof(*move->untold));
	move->unused = arena_take(move, sizeof(*move->unused));
	move->chips = arena_take(move, 3 * sizeof(*move->chips));
	if (!move->clock || !move->pit || !move->untold || !move->unused || !move->chips)
		return -ECANCELED;
	move->untold->version = move->unused->version = KVM_MOVE_VERSION;
	for (i = 0; i < 3; i++)
		move->chips[i].chip_id = i;
	for (i = 0; i < move->n_vcpus; i++) {
		vcpu = &move->vcpus[i];
		if (state_take(move, vcpu, &vcpu->now, true, true) ||
		    state_take(move, vcpu, &vcpu->check, true, false))
			return -ECANCELED;
	}
	return 0;
}

static void add_deadline(struct program *program, uint64_t until)
{
	program_add(program, "the pause",
		    (struct step){ .kind = STEP_DEADLINE, .argument = { until } });
}

static int make_program(struct move *move, struct program *program, struct program *back)
{
	struct run_map *map;
	int i, err = take_state(move);

	add_deadline(program, 0);
	if (!err)
		err = record_irqfds(move, program, false, move->vm);
	if (err)
		return err;
	add_state(move, program);
	for (i = 0; i < move->n_maps; i++) {
		map = &move->maps[i];
		program_add(
			program, "struct kvm_run",
			(struct step){ .kind = STEP_COPY,
				       .argument = { map->new, map->start, map->size } });
	}
	/* An event that comes after this is in the new VM: only a failure leads back. */
	add_deadline(program, 0);
	err = record_irqfds(move, program, true, move->new_vm);
	if (err)
		return err;
	add_chips(move, program, move->new_vm, true);
	add_switch(move, program);
	return add_back(move, back);
}

static int park_all(struct move *move, uint64_t until)
{
	struct target *target = &move->target;
	size_t i;
	int err = park_open(target, until);

	for (i = 0; i < target->n && !err; i++)
		err = park(target, &target->threads[i], i);
	return err;
}

/* vCPUs first. */
static int let_go(struct move *move)
{
	struct target *target = &move->target;
	int err = 0, pass;
	size_t i;

	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < target->n; i++) {
			if (!pass && !is_ready(move, &target->threads[i]))
				continue;
			if (target->threads[i].diverted &&
			    unpark(target, &target->threads[i]))
				err = -ECANCELED;
			thread_detach(target, &target->threads[i--]);
		}
	threads_detach(target);
	return err;
}

/* The time until which it may be given up. */
static int set_deadline(struct move *move, struct program *program,
			const struct order *order, uint64_t until)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < program->n && !err; i++) {
		if (program->steps[i].kind != STEP_DEADLINE)
			continue;
		program->steps[i].argument[0] = until;
		err = target_write(&move->target,
				   order->program + i * sizeof(struct step),
				   &program->steps[i], sizeof(struct step));
	}
	return err;
}

static int try_once(struct move *move, struct program *program, struct program *back)
{
	struct order order;
	uint64_t until;
	int err = program_load(move, program, back, &order), gone;

	if (!err)
		err = threads_seize(&move->target, now_ns() + move->max_pause * MS);
	move->times.stopped = now_ns();
	until = move->times.stopped + move->max_pause * MS;
	if (!err)
		err = set_deadline(move, program, &order, until);
	if (!err)
		err = quiesce(move, until);
	if (!err)
		err = park_all(move, until);
	move->times.quiet = now_ns();
	if (!err)
		err = program_switch(move, &order);
	move->times.switched = now_ns();
	move->switched = !err && move->answer.phase == PHASE_SWITCHED;
	gone = let_go(move);
	move->times.gone_on = now_ns();
	if (move->switched)
		return 0;
	if (err || gone)
		return err ? err : gone;
	if (move->answer.phase == PHASE_ABANDONED)
		return -EBUSY;
	return program_results(move, program, &order);
}

int rest(struct move *move, unsigned int tries, uint64_t since)
{
	uint64_t stood = now_ns() - since, least = (tries < 9 ? tries + 1 : 10) * 10 * MS;
	uint64_t ns = stood > least ? stood : least;
	struct timespec time = { ns / (1000 * MS), ns % (1000 * MS) };

	move->stood += stood;
	if (tries == TRIES || move->stood >= STANDING * move->max_pause * MS)
		return -EBUSY;
	nanosleep(&time, NULL);
	return 0;
}

int switch_over(struct move *move)
{
	struct program program = { .vcpu = -1 }, back = { .vcpu = -1 };
	uint32_t failed;
	bool is_late;
	int err = make_program(move, &program, &back);

	for (move->tries = 1; !err; move->tries++) {
		err = try_once(move, &program, &back);
		if (move->switched)
			break;
		failed = move->answer.failed;
		is_late = err == -EBUSY;
		if (!err)
			is_late = program.steps[failed].kind == STEP_DEADLINE;
		if (is_late && !rest(move, move->tries, move->times.stopped)) {
			err = 0;
			continue;
		}
		if (err == -EBUSY)
			err = too_busy(move);
		else if (!err)
			err = program_failed(
				move, &program, REFUSED,
				is_late ? "the same with a longer --max-pause" : "");
		break;
	}
	program_free(&program);
	program_free(&back);
	return err;
}
