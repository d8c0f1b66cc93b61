// SPDX-License-Identifier: GPL-2.0-only
/*
 * verdict.c - what a mover says became of a VM: its guard and its pause, with a process, a helper
 * and a KVM that do as the case wants.
 *
 * usage: verdict CASE
 *
 * Prints the verdict: its status, the number of tries, the first line of why, and whether the VM
 * could go on between tries.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../../scripts/multikvm/move/guard.h"
#include "../../../scripts/multikvm/move/move.h"

#define PAUSE 100 /* ms */

static uint8_t memory[1 << 20]; /* of the process, which is the parent of the guard */
static const char *wanted;
static int switches;

static bool is(const char *what)
{
	return !strcmp(wanted, what);
}

/* The process. */
int leftovers_remove(struct target *target)
{
	(void)target;
	return 0;
}

int vm_find(struct move *move)
{
	move->n_vcpus = is("abandoned without vCPUs") ? 0 : 1;
	move->vcpus = calloc(2, sizeof(*move->vcpus));
	return 0;
}

int vm_shared(struct move *move)
{
	(void)move;
	return 0;
}

int vm_still_alone(struct move *move)
{
	(void)move;
	return 0;
}

bool vm_unchanged(struct move *move)
{
	(void)move;
	return true;
}

void vm_forget(struct move *move)
{
	free(move->vcpus);
}

int parasite_put(struct target *target, uint32_t slots, uint64_t until)
{
	(void)slots;
	(void)until;
	target->image = calloc(1, sizeof(*target->image));
	target->socket = dup(0);
	return 0;
}

int prepare(struct move *move)
{
	int i;

	for (i = 0; i < 2; i++)
		move->arenas[i] = (struct arena){
			.remote = (uintptr_t)memory + i * sizeof(memory) / 2,
			.local = calloc(1, sizeof(memory) / 2),
			.size = sizeof(memory) / 2,
		};
	move->arena = &move->arenas[1];
	for (i = 0; i < move->n_vcpus; i++)
		move->vcpus[i].busy = arena_take(move, sizeof(*move->vcpus[i].busy));
	i = ask_load(move);
	move->arena = &move->arenas[0];
	return i;
}

int look(struct move *move)
{
	(void)move;
	return 0;
}

/* Its threads: one. */
static int one(struct target *target)
{
	static struct thread thread = { .tid = 1, .stands = true };

	target->threads = &thread;
	target->n = 1;
	return 0;
}

int threads_seize(struct target *target, uint64_t until)
{
	(void)until;
	return one(target);
}

int threads_stop(struct target *target, uint64_t until)
{
	(void)until;
	return one(target);
}

int threads_wait(struct target *target, uint64_t until)
{
	(void)target;
	(void)until;
	return -ETIMEDOUT;
}

int thread_continue(struct target *target, struct thread *thread)
{
	(void)target;
	(void)thread;
	return 0;
}

void thread_detach(struct target *target, struct thread *thread)
{
	(void)thread;
	target->n = 0;
}

void threads_detach(struct target *target)
{
	target->n = 0;
	target->threads = NULL;
}

int park_open(struct target *target, uint64_t deadline)
{
	target->image->deadline = deadline;
	return 0;
}

int park(struct target *target, struct thread *thread, uint32_t slot)
{
	(void)target;
	(void)slot;
	thread->diverted = true;
	return 0;
}

int unpark(struct target *target, struct thread *thread)
{
	thread->diverted = false;
	if (is("a thread ends after the switch") ||
	    is("a thread ends after the way back"))
		return target_fail(target, NOT_FOUND, "a thread has ended");
	return 0;
}

/* The helper, which is asked in the pause only, and has no more than the pause then. */
int helper_order(struct target *target, const struct order *order, int fd,
		 struct answer *answer, uint64_t until)
{
	(void)order;
	(void)fd;
	(void)answer;
	(void)until;
	return target_fail(target, SYSTEM, "the guard waits longer than the pause");
}

static void pass_until(uint64_t until)
{
	struct timespec time = { until / (1000 * MS), until % (1000 * MS) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* The arena for questions begins with what vCPU 0 is busy with. */
int helper_ask(struct target *target, const struct order *order, int fd,
	       struct answer *answer, uint64_t until)
{
	struct kvm_move_vcpu *busy = (void *)(memory + sizeof(memory) / 2);
	struct kvm_move_vcpu there = { .busy = is("busy") ? KVM_MOVE_L2 : 0 };

	(void)fd;
	if (until > now_ns() + PAUSE * MS)
		return helper_order(target, order, fd, answer, until);
	if (is("the helper gets no CPU")) {
		pass_until(until);
		return -EBUSY;
	}
	*answer = (struct answer){ .failed = -1, .failed_back = -1 };
	return target_write(target, (uintptr_t)busy, &there, sizeof(there));
}

int helper_switch(struct target *target, const struct order *order, struct answer *answer)
{
	struct step *steps = (struct step *)order->program;
	struct step failed = { STEP_CALL, WANT_SUCCESS, .result = -EINVAL };

	*answer = (struct answer){ .failed = -1, .failed_back = -1 };
	switches++;
	if (strstr(wanted, "abandoned") && (!is("abandoned once") || switches == 1)) {
		answer->phase = PHASE_ABANDONED;
	} else if (strstr(wanted, "back")) {
		answer->phase = PHASE_BACK;
		answer->failed = 1;
		return target_write(target, (uintptr_t)&steps[1], &failed,
				    sizeof(failed));
	} else {
		answer->phase = PHASE_SWITCHED;
	}
	return 0;
}

int helper_end(struct target *target, uint64_t until)
{
	(void)until;
	if (is("the helper does not end"))
		return target_fail(target, SYSTEM, "the helper does not end");
	return 0;
}

/* KVM: of its state there is a clock. */
int record_ask(struct move *move, struct program *program, size_t room)
{
	(void)room;
	program_ioctl(program, "KVM_MOVE_RECORD", move->vm, KVM_MOVE_RECORD, 0);
	return 0;
}

bool record_unchanged(struct move *move)
{
	(void)move;
	return true;
}

int record_irqfds(struct move *move, struct program *program, bool assign, int vm)
{
	(void)move;
	(void)program;
	(void)assign;
	(void)vm;
	return 0;
}

int state_take(struct move *move, struct vcpu *vcpu, struct state *state, bool msrs,
	       bool others)
{
	(void)move;
	(void)vcpu;
	(void)state;
	(void)msrs;
	(void)others;
	return 0;
}

void state_get(struct move *move, struct program *program, int fd, struct state *state)
{
	(void)move;
	(void)program;
	(void)fd;
	(void)state;
}

void state_set(struct move *move, struct program *program, struct vcpu *vcpu,
	       struct state *state)
{
	(void)move;
	(void)program;
	(void)vcpu;
	(void)state;
}

void state_set_late(struct move *move, struct program *program, struct vcpu *vcpu,
		    struct state *state)
{
	(void)move;
	(void)program;
	(void)vcpu;
	(void)state;
}

void state_compare(struct move *move, struct program *program, const struct state *this,
		   const struct state *other, uint32_t msrs)
{
	(void)move;
	(void)program;
	(void)this;
	(void)other;
	(void)msrs;
}

int main(int argc, char **argv)
{
	struct guard guard = {
		.job = { .vmm = getpid(), .from = "from", .to = "to", .max_pause = PAUSE },
	};

	wanted = argc > 1 ? argv[1] : "";
	if (guard_start(&guard))
		return 1;
	while (guard_wait(&guard, 1, 1000, false) < 0)
		;
	guard.verdict.why[strcspn(guard.verdict.why, "\n")] = '\0';
	printf("%d, %u tries: %s", guard.verdict.status, guard.verdict.tries,
	       guard.verdict.why);
	/* Of that long it has stood half of the time at most. */
	if (guard.verdict.tries > 2 && guard.verdict.tries < 15)
		printf(", %s", guard.verdict.total > 2 * 9 * PAUSE * MS ? "with rests"
									: "too fast");
	puts("");
	return 0;
}
