// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.c - the state of a vCPU that KVM's ioctls give: reading it, setting it in another vCPU, and
 * comparing what is there then.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "move.h"

#define CPUID_MAX 256 /* KVM_MAX_CPUID_ENTRIES */

/* A device attribute and its value. */
struct attribute {
	struct kvm_device_attr head;
	uint64_t value;
};

static const struct part_info {
	unsigned long get, set;
	size_t size;
	const char *get_name, *set_name;
} parts[PARTS] = {
#define PART(what, size)                                                                 \
	{                                                                                \
		KVM_GET_##what, KVM_SET_##what, size, "KVM_GET_" #what, "KVM_SET_" #what \
	}
	[MP_STATE] = PART(MP_STATE, sizeof(struct kvm_mp_state)),
	[EVENTS] = PART(VCPU_EVENTS, sizeof(struct kvm_vcpu_events)),
	[CPUID] = PART(CPUID2, sizeof(struct kvm_cpuid2) +
				       CPUID_MAX * sizeof(struct kvm_cpuid_entry2)),
	[UNTOLD] = { KVM_MOVE_VCPU, KVM_MOVE_SET_VCPU, sizeof(struct kvm_move_vcpu),
		     "KVM_MOVE_VCPU", "KVM_MOVE_SET_VCPU" },
	[REGS] = PART(REGS, sizeof(struct kvm_regs)),
	[SREGS] = PART(SREGS2, sizeof(struct kvm_sregs2)),
	[XCRS] = PART(XCRS, sizeof(struct kvm_xcrs)),
	[XSAVE] = PART(XSAVE, 0),
	[LAPIC] = PART(LAPIC, sizeof(struct kvm_lapic_state)),
	[MSRS] = PART(MSRS, 0),
	[LATE_MSRS] = PART(MSRS, 0),
	[FIXED_MSRS] = PART(MSRS, 0),
	[TSC_OFFSET] = PART(DEVICE_ATTR, sizeof(struct attribute)),
	[DEBUG_REGS] = PART(DEBUGREGS, sizeof(struct kvm_debugregs)),
	[NESTED] = PART(NESTED_STATE, 0),
#undef PART
};

/*
 * The order in which a new vCPU takes it. What machine checks there are, and the TSC's frequency,
 * are set before (record.c, switch.c): MSRs and the TSC's offset mean nothing without. The timer of
 * the local APIC starts as soon as it is set, by the TSC: so the offset comes before. SREGS2 has
 * EFER, which nested state, and the local APIC's base, which its registers need. The MSRs have the
 * deadline of the APIC's timer, and what VMX the guest has: that can be set only while the guest
 * has not done VMXON, which is in the nested state. EVENTS come last: others would drop a pending
 * exception.
 */
static const enum part set_order[] = {
	CPUID, TSC_OFFSET, SREGS,      REGS,	 XCRS,	 XSAVE,	 LAPIC,
	MSRS,  NESTED,	   DEBUG_REGS, MP_STATE, UNTOLD, EVENTS,
};

/* The initial count of the local APIC's timer. */
#define LAPIC_TMICT 0x380

/*
 * What must be in the new vCPU as it was in the old one. Not byte 3 of the events: an exception
 * that is pending is set as one that is injected, unless the VMM takes payloads of exceptions.
 * The rest of the local APIC is
 *
 *	0x0a0	PPR: made from others
 *	0x200	IRR: a timer that is due raises its interrupt as soon as it is set
 *	0x390	the timer's count, which goes on
 */
static const struct {
	enum part part;
	size_t from, to; /* to 0: all */
	const char *what;
} compared[] = {
	{ MP_STATE, 0, 0, "the state of the processor" },
	{ EVENTS, 0, 3, "pending events" },
	{ EVENTS, 4, sizeof(struct kvm_vcpu_events), "pending events from 4" },
	{ CPUID, 0, 0, "CPUID" },
	{ REGS, 0, 0, "registers" },
	{ SREGS, 0, 0, "special registers" },
	{ XCRS, 0, 0, "XCR0" },
	{ XSAVE, 0, 0, "XSAVE" },
	{ LAPIC, 0x000, 0x0a0, "the local APIC" },
	{ LAPIC, 0x0b0, 0x200, "the local APIC from 0xb0" },
	{ LAPIC, 0x280, 0x390, "the local APIC from 0x280" },
	{ LAPIC, 0x3a0, 0x400, "the local APIC from 0x3a0" },
	{ TSC_OFFSET, offsetof(struct attribute, value), sizeof(struct attribute),
	  "the TSC's offset" },
	{ DEBUG_REGS, 0, 0, "debug registers" },
	{ NESTED, 0, 0, "nested state" },
};

static bool has_part(const struct move *move, enum part part)
{
	switch (part) {
	case LAPIC:
	case MP_STATE:
		return move->has_lapic;
	case XCRS:
		return move->xcrs;
	case MSRS:
	case LATE_MSRS:
	case FIXED_MSRS:
		return false; /* see state_take() */
	case NESTED:
		return move->nested_size > 0;
	default:
		return true;
	}
}

static size_t size_of(const struct move *move, enum part part, uint32_t msrs)
{
	switch (part) {
	case XSAVE:
		return move->xsave_size;
	case NESTED:
		return move->nested_size;
	case MSRS:
		return sizeof(struct kvm_msrs) + msrs * sizeof(struct kvm_msr_entry);
	default:
		return parts[part].size;
	}
}

/* A list of MSRs in the arena; NULL if it is empty, too. */
static struct kvm_msrs *take_msrs(struct move *move, const struct kvm_msr_entry *entries,
				  uint32_t n)
{
	struct kvm_msrs *list = n ? arena_take(move, size_of(move, MSRS, n)) : NULL;

	if (list) {
		list->nmsrs = n;
		memcpy(list->entries, entries, n * sizeof(*entries));
	}
	return list;
}

/* Room for it in the arena, with what the ioctls want to find there. */
int state_take(struct move *move, struct vcpu *vcpu, struct state *state, bool msrs,
	       bool others)
{
	const struct kvm_msr_entry *late = vcpu->msrs + vcpu->n_msrs;
	struct attribute *tsc;
	int part;

	for (part = 0; part < PARTS; part++) {
		state->part[part] = NULL;
		if (!has_part(move, part))
			continue;
		state->part[part] = arena_take(move, size_of(move, part, 0));
		if (!state->part[part])
			return -ECANCELED;
	}
	if (msrs)
		state->part[MSRS] = take_msrs(move, vcpu->msrs, vcpu->n_msrs);
	if (others) {
		state->part[LATE_MSRS] = take_msrs(move, late, vcpu->n_late);
		state->part[FIXED_MSRS] = take_msrs(move, late + vcpu->n_late,
						    vcpu->n_fixed);
		vcpu->fixed = take_msrs(move, late + vcpu->n_late, vcpu->n_fixed);
	}
	if ((msrs && vcpu->n_msrs && !state->part[MSRS]) ||
	    (others && vcpu->n_late && !state->part[LATE_MSRS]) ||
	    (others && vcpu->n_fixed && (!state->part[FIXED_MSRS] || !vcpu->fixed)))
		return -ECANCELED;
	((struct kvm_cpuid2 *)state->part[CPUID])->nent = CPUID_MAX;
	if (state->part[NESTED])
		((struct kvm_nested_state *)state->part[NESTED])->size = move->nested_size;
	((struct kvm_move_vcpu *)state->part[UNTOLD])->version = KVM_MOVE_VERSION;
	if (state->part[NESTED] && move->is_vmx) {
		state->none = arena_take(move, sizeof(*state->none));
		if (!state->none)
			return -ECANCELED;
		state->none->size = sizeof(*state->none);
		state->none->format = KVM_STATE_NESTED_FORMAT_VMX;
		state->none->hdr.vmx.vmxon_pa = state->none->hdr.vmx.vmcs12_pa = ~0ULL;
	}
	tsc = state->part[TSC_OFFSET];
	tsc->head.group = KVM_VCPU_TSC_CTRL;
	tsc->head.attr = KVM_VCPU_TSC_OFFSET;
	tsc->head.addr = arena_there(move, &tsc->value);
	return 0;
}

static void one_part(struct move *move, struct program *program, int fd, enum part part,
		     struct state *state, bool set)
{
	uint64_t at = arena_there(move, state->part[part]);
	unsigned long request = set ? parts[part].set : parts[part].get;
	const char *what = set ? parts[part].set_name : parts[part].get_name;

	if (part == XSAVE && !set && move->xsave2)
		request = KVM_GET_XSAVE2;
	if (part == MSRS || part == LATE_MSRS || part == FIXED_MSRS)
		program_add(program, what,
			    (struct step){ .kind = STEP_MSRS,
					   .want = state->tried ? WANT_SUCCESS
								: WANT_VALUE,
					   .argument = { fd, request, at } });
	else
		program_ioctl(program, what, fd, request, at);
}

/*
 * A one-shot timer that has fired must not start anew: while the registers are set, it has no
 * initial count. The old vCPU's KVM_MOVE_VCPU tells whether it is so.
 */
static void hide_count(struct move *move, struct program *program, struct state *state,
		       bool hide)
{
	uint64_t at = arena_there(move, state->part[LAPIC]) + LAPIC_TMICT;
	uint64_t count = arena_there(move, state->part[UNTOLD]) +
			 offsetof(struct kvm_move_vcpu, count);

	program_add(program, "the timer's count",
		    (struct step){ .kind = STEP_INSTEAD,
				   .argument = { at, count, hide ? 0 : ~0U } });
}

void state_get(struct move *move, struct program *program, int fd, struct state *state)
{
	int part;

	for (part = 0; part < PARTS; part++)
		if (state->part[part])
			one_part(move, program, fd, part, state, false);
}

/*
 * All but the late MSRs. A new vCPU that was tried before may have done VMXON, and would take neither
 * CR4 nor MSRs of VMX: it is as if it had not. What the guest has done comes with its nested state.
 * Its timer may have had another mode: KVM_SET_LAPIC drops the initial count when that changes to or
 * from the TSC deadline (apic_update_lvtt()), and the timer would never run. So it is set twice.
 */
void state_set(struct move *move, struct program *program, struct vcpu *vcpu,
	       struct state *state)
{
	struct step *step;
	size_t i;

	if (vcpu->khz) {
		step = program_ioctl(program, "KVM_SET_TSC_KHZ", vcpu->new,
				     KVM_SET_TSC_KHZ, vcpu->khz);
		step->want = WANT_SUCCESS;
	}
	if (state->none)
		program_ioctl(program, "KVM_SET_NESTED_STATE of none", vcpu->new,
			      KVM_SET_NESTED_STATE, arena_there(move, state->none));
	if (state->part[LAPIC])
		hide_count(move, program, state, true);
	for (i = 0; i < sizeof(set_order) / sizeof(set_order[0]); i++) {
		if (!state->part[set_order[i]])
			continue;
		one_part(move, program, vcpu->new, set_order[i], state, true);
		if (set_order[i] == LAPIC)
			one_part(move, program, vcpu->new, LAPIC, state, true);
	}
	if (state->part[LAPIC])
		hide_count(move, program, state, false);
}

void state_set_late(struct move *move, struct program *program, struct vcpu *vcpu,
		    struct state *state)
{
	if (state->part[LATE_MSRS])
		one_part(move, program, vcpu->new, LATE_MSRS, state, true);
}

/* A segment that cannot be used has whatever rights the CPU left there, and KVM does not set them. */
static void clear_unusable(struct move *move, struct program *program,
			   const struct state *state)
{
	const struct kvm_sregs2 *sregs = state->part[SREGS];

	program_add(program, "segments",
		    (struct step){ .kind = STEP_SEGMENTS,
				   .argument = { arena_there(move, &sregs->cs),
						 &sregs->ldt - &sregs->cs + 1 } });
}

/* `msrs` of them are compared, the first ones. */
void state_compare(struct move *move, struct program *program, const struct state *one,
		   const struct state *other, uint32_t msrs)
{
	size_t i, to;

	clear_unusable(move, program, one);
	clear_unusable(move, program, other);
	for (i = 0; i < sizeof(compared) / sizeof(compared[0]); i++) {
		enum part part = compared[i].part;

		if (!one->part[part] || (part == TSC_OFFSET && !move->stable_tsc))
			continue; /* KVM moves the offset where the host's TSC is not stable */
		to = compared[i].to ? compared[i].to : size_of(move, part, 0);
		program_same(program, compared[i].what,
			     arena_there(move, one->part[part]) + compared[i].from,
			     arena_there(move, other->part[part]) + compared[i].from,
			     to - compared[i].from);
	}
	if (msrs && one->part[MSRS])
		program_same(program, "MSRs", arena_there(move, one->part[MSRS]),
			     arena_there(move, other->part[MSRS]),
			     size_of(move, MSRS, msrs));
}
