// SPDX-License-Identifier: GPL-2.0-only
/* Faults in the state of a vCPU of numbered.h, as a bad move would leave them. */
#include <stdlib.h>

#include "numbered_me.h"

#define LAPIC_INITIAL_COUNT 0x380
#define LAPIC_CURRENT_COUNT 0x390
#define MSR_TSC_DEADLINE    0x6e0

static bool stop_one_shot(int i)
{
	struct kvm_lapic_state lapic;

	need(i, xioctl(me->of[i].v->fd, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	if (!value_of(lapic.regs + LAPIC_CURRENT_COUNT, 4))
		return false;
	memset(lapic.regs + LAPIC_INITIAL_COUNT, 0, 4);
	need(i, xioctl(me->of[i].v->fd, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
	return true;
}

/* KVM starts the timer for what is left of it, be that nothing. */
static void set_lapic_again(int i)
{
	struct kvm_lapic_state lapic;

	need(i, xioctl(me->of[i].v->fd, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	need(i, xioctl(me->of[i].v->fd, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
}

static bool stop_deadline(int i)
{
	uint64_t value;

	need(i, vcpu_get_msr(me->of[i].v, MSR_TSC_DEADLINE, &value), "KVM_GET_MSRS");
	if (value)
		need(i, vcpu_set_msr(me->of[i].v, MSR_TSC_DEADLINE, 0), "KVM_SET_MSRS");
	return value;
}

/* Tried until the timer had not run out before. */
void numbered_timer_fault(int i)
{
	uint64_t at = guest(i)->at;

	if (i || guest(i)->rounds < FAULT_ROUND || me->fault_done)
		return;
	if (me->n->options.fault == FAULT_ONE_SHOT_LOST && at == NUMBERED_ONE_SHOT)
		me->fault_done = stop_one_shot(i);
	if (me->n->options.fault == FAULT_DEADLINE_LOST && at == NUMBERED_DEADLINE)
		me->fault_done = stop_deadline(i);
}

static void turn_tsc_back(int i)
{
	struct vcpu *v = me->of[i].v;
	uint64_t offset;

	need(i, vcpu_get_tsc_offset(v, &offset), "TSC offset");
	need(i, vcpu_set_tsc_offset(v, offset - guest(i)->tsc / 2), "TSC offset");
}

static void turn_clock_back(int i)
{
	struct kvm_clock_data clock;

	need(i, xioctl(me->vm->fd, KVM_GET_CLOCK, &clock), "KVM_GET_CLOCK");
	clock.clock -= 2000 * MS;
	clock.flags = 0;
	need(i, xioctl(me->vm->fd, KVM_SET_CLOCK, &clock), "KVM_SET_CLOCK");
}

static void change_fpu(int i)
{
	struct kvm_fpu fpu;

	need(i, xioctl(me->of[i].v->fd, KVM_GET_FPU, &fpu), "KVM_GET_FPU");
	fpu.xmm[5][3] ^= 1;
	need(i, xioctl(me->of[i].v->fd, KVM_SET_FPU, &fpu), "KVM_SET_FPU");
}

static void change_flags(int i)
{
	struct kvm_regs regs;

	need(i, vcpu_get_regs(me->of[i].v, &regs), "KVM_GET_REGS");
	regs.rflags ^= 1;
	need(i, vcpu_set_regs(me->of[i].v, &regs), "KVM_SET_REGS");
}

static void change_debug(int i)
{
	struct kvm_debugregs debug;

	need(i, xioctl(me->of[i].v->fd, KVM_GET_DEBUGREGS, &debug), "KVM_GET_DEBUGREGS");
	debug.db[2] ^= 8;
	need(i, xioctl(me->of[i].v->fd, KVM_SET_DEBUGREGS, &debug), "KVM_SET_DEBUGREGS");
}

static void change_msrs(int i)
{
	uint64_t value;

	need(i, vcpu_get_msr(me->of[i].v, 0xc0000083, &value),
	     "KVM_GET_MSRS"); /* CSTAR */
	need(i, vcpu_set_msr(me->of[i].v, 0xc0000083, value ^ 8), "KVM_SET_MSRS");
}

void numbered_flags_fault(int i)
{
	if (guest(i)->at == NUMBERED_FLAGS && wrong(FAULT_FLAGS, i))
		change_flags(i);
}

void numbered_fpu_fault(int i)
{
	if (wrong(FAULT_FPU, i))
		change_fpu(i);
}

void numbered_round_fault(int i, uint64_t round)
{
	if (wrong(FAULT_TICK_TWICE, i))
		numbered_signal_msi(i, VECTOR_TIMER);
	if (wrong(FAULT_TIMER_AGAIN, i))
		set_lapic_again(i);
	if (wrong(FAULT_TSC_BACK, i))
		turn_tsc_back(i);
	if (wrong(FAULT_CLOCK_BACK, i))
		turn_clock_back(i);
	if (round % 8 == 3 && wrong(FAULT_DEBUG, i))
		change_debug(i);
	if (round % 8 == 3 && wrong(FAULT_MSRS, i))
		change_msrs(i);
}
