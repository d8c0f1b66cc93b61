// SPDX-License-Identifier: GPL-2.0-only
/*
 * program.c - programs of the helper, and the memory of the process that they work on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "move.h"

#define PATIENCE (30000 * MS)

static int no_memory(struct move *move)
{
	return target_fail(&move->target, SYSTEM, "no memory");
}

int arena_make(struct move *move, size_t size)
{
	uint64_t at = move->target.data + offsetof(struct parasite, start);
	struct step map = {
		.kind = STEP_CALL,
		.want = WANT_SUCCESS,
		.undo = UNDO_UNMAP,
		.number = SYS_mmap,
		.argument = { 0, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0 },
	};
	struct order order = { .kind = ORDER_RUN, .n = 1, .program = at };
	struct answer answer;
	int err = target_write(&move->target, at, &map, sizeof(map));

	if (!err)
		err = helper_order(&move->target, &order, -1, &answer,
				   now_ns() + PATIENCE);
	if (!err)
		err = target_read(&move->target, at + offsetof(struct step, result),
				  &map.result, sizeof(map.result));
	if (err)
		return err;
	if (answer.failed >= 0)
		return target_fail(&move->target, REFUSED,
				   "process %d gets no memory for the move: %s",
				   move->target.pid, strerror(-map.result));
	free(move->arena->local);
	*move->arena = (struct arena){ map.result, calloc(1, size), size, 0 };
	return move->arena->local ? 0 : no_memory(move);
}

void *arena_take(struct move *move, size_t size)
{
	struct arena *arena = move->arena;
	uint8_t *taken = arena->local + arena->used;

	size = (size + 63) & ~63UL;
	if (size > arena->size - arena->used) {
		target_fail(&move->target, SYSTEM,
			    "the state of this VM takes more than %zu KB",
			    arena->size >> 10);
		return NULL;
	}
	arena->used += size;
	return memset(taken, 0, size);
}

uint64_t arena_there(struct move *move, const void *here)
{
	return move->arena->remote + ((const uint8_t *)here - move->arena->local);
}

int arena_write(struct move *move, const void *here, size_t size)
{
	return target_write(&move->target, arena_there(move, here), here, size);
}

int arena_read(struct move *move, void *here, size_t size)
{
	return target_read(&move->target, arena_there(move, here), here, size);
}

struct step *program_add(struct program *program, const char *what, struct step step)
{
	uint32_t room = program->room + 256;

	if (program->n == program->room) {
		program->steps = realloc(program->steps, room * sizeof(*program->steps));
		program->names = realloc(program->names, room * sizeof(*program->names));
		if (!program->steps || !program->names)
			abort(); /* the guard's end undoes all; it is some 100 KB */
		program->room = room;
	}
	program->names[program->n] = (struct step_name){ what, program->vcpu };
	program->steps[program->n] = step;
	return &program->steps[program->n++];
}

struct step *program_call(struct program *program, const char *what, enum undo undo,
			  uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return program_add(program, what,
			   (struct step){ .kind = STEP_CALL,
					  .want = WANT_SUCCESS,
					  .undo = undo,
					  .number = number,
					  .argument = { a, b, c, d } });
}

struct step *program_ioctl(struct program *program, const char *what, int fd,
			   unsigned long request, uint64_t argument)
{
	return program_call(program, what, UNDO_NOTHING, SYS_ioctl, fd, request, argument,
			    0);
}

struct step *program_same(struct program *program, const char *what, uint64_t one,
			  uint64_t other, size_t size)
{
	return program_add(program, what,
			   (struct step){ .kind = STEP_SAME,
					  .want = WANT_SUCCESS,
					  .argument = { one, other, size } });
}

void program_free(struct program *program)
{
	free(program->steps);
	free(program->names);
	*program = (struct program){ .vcpu = -1 };
}

#ifdef FOR_TESTS
/*
 * Of all steps whose failure ends a program, also when it is made again, the MULTIKVM_FAILS_AT-th
 * fails, and says so.
 */
static void fail_one(const struct program *program, struct step *steps)
{
	static int seen;
	const char *at = getenv("MULTIKVM_FAILS_AT");
	uint32_t i;

	for (i = 0; at && i < program->n; i++) {
		if (steps[i].want == WANT_ANY || ++seen != atoi(at))
			continue;
		fprintf(stderr, "step %d fails: %s\n", seen, program->names[i].what);
		steps[i] = (struct step){ .kind = STEP_CALL,
					  .want = WANT_SUCCESS,
					  .number = SYS_close,
					  .argument = { UINT64_MAX } };
	}
}
#else
static void fail_one(const struct program *program, struct step *steps)
{
	(void)program;
	(void)steps;
}
#endif

/* All that is taken of the arena and, behind that, the steps. */
int program_load(struct move *move, struct program *program, struct program *back,
		 struct order *order)
{
	struct arena *arena = move->arena;
	size_t used = arena->used, size = program->n * sizeof(struct step);
	size_t more = back ? back->n * sizeof(struct step) : 0;
	uint8_t *at = arena_take(move, size + more);

	if (!at)
		return -ECANCELED;
	memcpy(at, program->steps, size);
	fail_one(program, (struct step *)at);
	if (more)
		memcpy(at + size, back->steps, more);
	arena->used = used;
	*order = (struct order){
		.kind = back ? ORDER_SWITCH : ORDER_RUN,
		.n = program->n,
		.n_back = back ? back->n : 0,
		.program = arena_there(move, at),
		.back = arena_there(move, at) + size,
	};
	return arena_write(move, arena->local, (at - arena->local) + size + more);
}

/* No more than that: the rest of a step is what it was here. */
int program_results(struct move *move, struct program *program, const struct order *order)
{
	size_t size = program->n * sizeof(struct step);
	struct step *there = malloc(size + 1);
	uint32_t i;
	int err;

	if (!there)
		return no_memory(move);
	err = target_read(&move->target, order->program, there, size);
	for (i = 0; i < program->n && !err; i++)
		program->steps[i].result = there[i].result;
	free(there);
	return err;
}

int program_start(struct move *move, const struct order *order)
{
	return helper_order(&move->target, order, -1, &move->answer, now_ns() + PATIENCE);
}

int program_ask(struct move *move, const struct order *order, uint64_t until)
{
	return helper_ask(&move->target, order, -1, &move->answer, until);
}

int program_switch(struct move *move, const struct order *order)
{
	return helper_switch(&move->target, order, &move->answer);
}

int program_try(struct move *move, struct program *program, int fd)
{
	struct order order;
	int err = program_load(move, program, NULL, &order);

	if (!err)
		err = helper_order(&move->target, &order, fd, &move->answer,
				   now_ns() + PATIENCE);
	if (!err)
		err = program_results(move, program, &order);
	return err ? err : arena_read(move, move->arena->local, move->arena->used);
}

/* Of the one that a step was refused; ~0: the list has no such. */
static uint32_t index_of_msr(const struct move *move, const struct step *step)
{
	size_t at = step->argument[2] - move->arena->remote + sizeof(struct kvm_msrs);
	const struct kvm_msr_entry *entry;

	if (step->result < 1 || step->result > UINT16_MAX)
		return ~0U;
	at += (step->result - 1) * sizeof(*entry);
	if (at > move->arena->used || sizeof(*entry) > move->arena->used - at)
		return ~0U;
	entry = (const void *)(move->arena->local + at);
	return entry->index;
}

int program_failed(struct move *move, const struct program *program, enum status status,
		   const char *next)
{
	const struct step *step = &program->steps[move->answer.failed];
	const struct step_name *name = &program->names[move->answer.failed];
	char who[32] = "the VM", how[80];

	if (name->vcpu >= 0)
		snprintf(who, sizeof(who), "vCPU %d", move->vcpus[name->vcpu].id);
	if (step->kind == STEP_SAME)
		snprintf(how, sizeof(how), "differs at byte %lld",
			 (long long)step->result);
	else if (step->kind == STEP_DEADLINE)
		snprintf(how, sizeof(how), "took longer than %u ms", move->max_pause);
	else if (step->kind == STEP_MSRS && step->result > 0)
		snprintf(how, sizeof(how), "MSR %#x is refused",
			 index_of_msr(move, step));
	else if (step->result < 0)
		snprintf(how, sizeof(how), "%s", strerror(-step->result));
	else
		snprintf(how, sizeof(how), "returned %lld, not %lld",
			 (long long)step->result, (long long)step->value);
	return target_fail(&move->target, status, "%s: %s: %s%s%s", who, name->what, how,
			   *next ? "\nnext: " : "", next);
}

int program_run(struct move *move, struct program *program)
{
	int err = program_try(move, program, -1);

	if (!err && move->answer.failed >= 0)
		err = program_failed(move, program, REFUSED, "");
	return err;
}
