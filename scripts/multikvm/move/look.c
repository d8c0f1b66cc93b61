// SPDX-License-Identifier: GPL-2.0-only
/*
 * look.c - what the VM uses, and whether the new instance takes it.
 *
 * Vcpus can be read only while they stand. So the VM is stopped for the time that this takes, and
 * goes on; then the new VM is set to that state, which is old by then, and read again. What the
 * new instance does not know or does not keep is found here, and not in the pause.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "move.h"

/* The lists of MSRs of one vCPU. */
struct lists {
	struct kvm_msrs *got;  /* of the old vCPU */
	struct kvm_msrs *set;  /* those of them that are tried, by the new one */
	struct kvm_msrs *back; /* what that has then, all */
	uint32_t n, n_set;     /* of `got` and `back`, and of `set` */
};

static struct kvm_msrs *take_list(struct move *move, const uint32_t *msrs, int n)
{
	struct kvm_msrs *list = arena_take(
		move, sizeof(*list) + n * sizeof(struct kvm_msr_entry));
	int i;

	if (!list)
		return NULL;
	list->nmsrs = n;
	for (i = 0; i < n; i++)
		list->entries[i].index = msrs[i];
	return list;
}

static void add_list(struct move *move, struct program *program, int fd,
		     unsigned long request, struct kvm_msrs *list)
{
	program_add(program, request == KVM_GET_MSRS ? "KVM_GET_MSRS" : "KVM_SET_MSRS",
		    (struct step){
			    .kind = STEP_MSRS,
			    .want = WANT_SUCCESS,
			    .argument = { fd, request, arena_there(move, list) },
		    });
}

/* Reads all of it, with the guest stopped for that long. */
static int read_old(struct move *move, struct lists *lists)
{
	struct program program = { .vcpu = -1 };
	struct vcpu *vcpu;
	struct order order;
	unsigned int tries;
	uint64_t since;
	int i, err, at;

	for (i = 0; i < move->n_vcpus; i++) {
		vcpu = &move->vcpus[program.vcpu = i];
		state_get(move, &program, vcpu->fd, &vcpu->look);
		add_list(move, &program, vcpu->fd, KVM_GET_MSRS, lists[i].got);
		program_ioctl(&program, "KVM_GET_TSC_KHZ", vcpu->fd, KVM_GET_TSC_KHZ, 0);
	}
	err = program_load(move, &program, NULL, &order);
	for (tries = 1; !err; tries++) {
		since = now_ns();
		err = quiesce(move, since + move->max_pause * MS);
		if (err != -EBUSY)
			break;
		threads_detach(&move->target);
		err = rest(move, tries, since);
	}
	if (!err)
		err = program_start(move, &order);
	threads_detach(&move->target);
	if (err == -EBUSY)
		err = too_busy(move);
	if (!err)
		err = program_results(move, &program, &order);
	if (!err && move->answer.failed >= 0)
		err = program_failed(move, &program, REFUSED, "");
	if (!err)
		err = arena_read(move, move->arena->local, move->arena->used);
	for (i = 0, at = 0; i < move->n_vcpus && !err; i++) {
		at = (i + 1) * (program.n / move->n_vcpus) - 1;
		move->vcpus[i].khz = program.steps[at].result;
	}
	program_free(&program);
	return err;
}

/* A frequency that the new vCPU has anyhow need not be set. */
static int compare_khz(struct move *move)
{
	struct program program = { .vcpu = -1 };
	int i, err;

	for (i = 0; i < move->n_vcpus; i++)
		program_ioctl(&program, "KVM_GET_TSC_KHZ", move->vcpus[i].new,
			      KVM_GET_TSC_KHZ, 0);
	err = program_run(move, &program);
	for (i = 0; i < move->n_vcpus && !err; i++)
		if (program.steps[i].result == move->vcpus[i].khz)
			move->vcpus[i].khz = 0;
	program_free(&program);
	return err;
}

static void choose_tried(struct lists *lists)
{
	uint32_t i, n = 0;

	for (i = 0; i < lists->n; i++)
		if (!lists->got->entries[i].reserved &&
		    msr_is_rehearsed(lists->got->entries[i].index,
				     lists->got->entries[i].data))
			lists->set->entries[n++] = lists->got->entries[i];
	lists->set->nmsrs = lists->n_set = n;
}

static int rehearse(struct move *move, struct lists *lists)
{
	struct program program = { .vcpu = -1 };
	struct vcpu *vcpu;
	int i, err;

	for (i = 0; i < move->n_vcpus; i++) {
		vcpu = &move->vcpus[program.vcpu = i];
		choose_tried(&lists[i]);
		vcpu->look.part[MSRS] = lists[i].set;
		vcpu->look.tried = true;
		state_set(move, &program, vcpu, &vcpu->look);
		state_get(move, &program, vcpu->new, &vcpu->check);
		add_list(move, &program, vcpu->new, KVM_GET_MSRS, lists[i].back);
		state_compare(move, &program, &vcpu->look, &vcpu->check, 0);
	}
	err = program_try(move, &program, -1);
	if (!err && move->answer.failed >= 0)
		err = program_failed(move, &program, REFUSED,
				     "multikvm move PID, to an instance "
				     "whose KVM is of the same series");
	program_free(&program);
	return err;
}

/* Whether the new vCPU took it. */
static bool was_refused(const struct lists *lists, uint32_t msr)
{
	uint32_t i;

	for (i = 0; i < lists->n_set; i++)
		if (lists->set->entries[i].index == msr)
			return lists->set->entries[i].reserved;
	return false;
}

enum fate { LEFT_OUT, MOVED, FIXED, UNKNOWN, CHANGED };

static enum fate fate_of(const struct lists *lists, uint32_t i)
{
	const struct kvm_msr_entry *got = &lists->got->entries[i];
	const struct kvm_msr_entry *back = &lists->back->entries[i];

	if (got->reserved)
		return LEFT_OUT; /* the VM does not have it */
	if (!msr_is_rehearsed(got->index, got->data))
		return back->reserved ? UNKNOWN : MOVED;
	/* The new one does not have it, or has it and nobody can change it there. */
	if (back->reserved || was_refused(lists, got->index))
		return !got->data || (!back->reserved && back->data == got->data)
			       ? FIXED
			       : UNKNOWN;
	return back->data == got->data || !msr_is_compared(got->index) ? MOVED : CHANGED;
}

/* Where it comes in vcpu->msrs: what is compared first, the timer's deadline last of MSRS. */
static int pass_of(const struct kvm_msr_entry *entry, enum fate fate)
{
	if (fate == FIXED)
		return 3;
	if (msr_is_late(entry->index))
		return 2;
	return msr_is_compared(entry->index) ? 0 : 1;
}

static int choose_msrs(struct move *move, struct vcpu *vcpu, const struct lists *lists)
{
	uint32_t i, n = lists->n, *count, taken = 0;
	const struct kvm_msr_entry *entry;
	enum fate fate;
	int pass;

	vcpu->msrs = calloc(n + 1, sizeof(*vcpu->msrs));
	if (!vcpu->msrs)
		return target_fail(&move->target, SYSTEM, "no memory");
	for (pass = 0; pass < 4; pass++) {
		count = pass < 2    ? &vcpu->n_msrs
			: pass == 2 ? &vcpu->n_late
				    : &vcpu->n_fixed;
		for (i = 0; i < n; i++) {
			entry = &lists->got->entries[i];
			fate = fate_of(lists, i);
			if (fate == UNKNOWN || fate == CHANGED)
				return target_fail(
					&move->target, REFUSED,
					"vCPU %d has %#llx in MSR %#x, which %s %s",
					vcpu->id, (unsigned long long)entry->data,
					entry->index, move->to,
					fate == UNKNOWN ? "does not take"
							: "does not keep");
			if (fate == LEFT_OUT || pass != pass_of(entry, fate))
				continue;
			vcpu->msrs[taken].index = entry->index;
			if (fate == FIXED)
				vcpu->msrs[taken].data = entry->data;
			taken++;
			++*count;
			vcpu->n_compared += !pass;
		}
	}
	return 0;
}

int look(struct move *move)
{
	struct lists *lists = calloc(move->n_vcpus + 1, sizeof(*lists));
	size_t used = move->arena->used;
	struct vcpu *vcpu;
	uint32_t *msrs;
	int i, n, err;

	err = msrs_candidates(move, &msrs, &n);
	for (i = 0; i < move->n_vcpus && !err; i++) {
		vcpu = &move->vcpus[i];
		lists[i].n = n;
		lists[i].got = take_list(move, msrs, n);
		lists[i].set = take_list(move, msrs, n);
		lists[i].back = take_list(move, msrs, n);
		if (!lists[i].got || !lists[i].set || !lists[i].back ||
		    state_take(move, vcpu, &vcpu->look, false, false) ||
		    state_take(move, vcpu, &vcpu->check, false, false))
			err = -ECANCELED;
	}
	if (!err)
		err = read_old(move, lists);
	if (!err)
		err = compare_khz(move);
	if (!err)
		err = rehearse(move, lists);
	for (i = 0; i < move->n_vcpus && !err; i++)
		err = choose_msrs(move, &move->vcpus[i], &lists[i]);
	free(lists);
	free(msrs);
	move->arena->used = used;
	return err;
}
