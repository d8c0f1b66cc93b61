// SPDX-License-Identifier: GPL-2.0-only
/*
 * park.c - threads that stand come to the park code of the parasite, where they go on if the
 * guard is killed; and back.
 */
#include <errno.h>

#include "target.h"

static uint64_t slot_at(struct target *target, uint32_t slot)
{
	return target->image->slots + (uint64_t)slot * sizeof(struct slot);
}

int park_open(struct target *target, uint64_t deadline)
{
	struct parasite *image = target->image;

	image->deadline = deadline;
	image->phase = PHASE_OPEN;
	return target_write(
		target, target->data + offsetof(struct parasite, phase), &image->phase,
		offsetof(struct parasite, base) - offsetof(struct parasite, phase));
}

int park_prepare(struct target *target, struct thread *thread, uint32_t slot,
		 bool nohand_ends)
{
	uint64_t stub = target->image->base + PARASITE_STUBS +
			(uint64_t)slot * PARASITE_STUB;
	uint64_t at = slot_at(target, slot);
	struct slot head = { .mask = thread->mask, .used = 1, .leave = stub };
	uint8_t code[PARASITE_STUB] = { 0 };
	size_t size;
	int err;

	if (slot >= target->image->n_slots)
		return target_fail(target, SYSTEM,
				   "process %d has got more threads meanwhile\n"
				   "next: the same again",
				   target->pid);
	size = restore_code(code, &thread->regs, at + offsetof(struct slot, mask),
			    at + offsetof(struct slot, used), false);
	if (restore_restarts(&thread->regs)) {
		head.restarts = 1;
		head.nohand = restore_nohand(&thread->regs);
		head.leave_eintr = stub + size;
		size += restore_code(code + size, &thread->regs,
				     at + offsetof(struct slot, mask),
				     at + offsetof(struct slot, used), true);
		if (nohand_ends && head.nohand)
			head.leave = head.leave_eintr;
	}
	thread->slot = slot;
	err = thread_poke(target, thread, stub, code, size);
	if (!err)
		err = target_write(target, at, &head, offsetof(struct slot, stack));
	return err;
}

/* rax and orig_rax stay: entry.S says why. */
int park(struct target *target, struct thread *thread, uint32_t slot)
{
	struct user_regs_struct regs = thread->regs;
	int err = park_prepare(target, thread, slot, false);

	regs.rip = target->park;
	regs.rdi = slot_at(target, slot);
	regs.rsi = target->data;
	return err ? err : thread_divert(target, thread, &regs);
}

int unpark(struct target *target, struct thread *thread)
{
	static const uint32_t unused;
	int err = thread_return(target, thread);

	if (!err && target->image)
		err = target_write(target,
				   slot_at(target, thread->slot) +
					   offsetof(struct slot, used),
				   &unused, sizeof(unused));
	return err;
}
