// SPDX-License-Identifier: GPL-2.0-only
/*
 * restore.c - code that gives a thread its registers back.
 *
 * It is made for one thread at one place, with the values in the instructions: it has no memory of
 * its own to point to, and uses neither stack nor red zone. Of the flags it sets those that the
 * parasite changes; the others are the thread's all the time. FPU and segments are not touched.
 */
#include <asm/ptrace-abi.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "target.h"

/* What system calls return to the kernel's own restart code. */
#define ERESTARTSYS	      512
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

#define CARRY	  0x001
#define PARITY	  0x004
#define ADJUST	  0x010
#define ZERO	  0x040
#define SIGN	  0x080
#define DIRECTION 0x400
#define OVERFLOW  0x800

/* As instructions encode them. */
enum reg { AX, CX, DX, BX, SP, BP, SI, DI, R8, R9, R10, R11, R12, R13, R14, R15 };

static uint8_t *bytes(uint8_t *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

#define BYTES(to, ...)                              \
	bytes(to, (const uint8_t[]){ __VA_ARGS__ }, \
	      sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* mov $value, %reg */
static uint8_t *load(uint8_t *to, enum reg reg, uint64_t value)
{
	to = BYTES(to, reg >= R8 ? 0x49 : 0x48, 0xb8 + reg % 8);
	return bytes(to, &value, sizeof(value));
}

/* Uses rax: the overflow flag by an addition, the others by sahf. */
static uint8_t *load_flags(uint8_t *to, uint64_t flags)
{
	uint8_t low = flags & (CARRY | PARITY | ADJUST | ZERO | SIGN);

	to = BYTES(to, 0xb0, flags & OVERFLOW ? 0x7f : 0x00); /* mov $.., %al */
	to = BYTES(to, 0x04, 0x01);			      /* add $1, %al */
	to = BYTES(to, 0xb4, low | 0x02);		      /* mov $.., %ah */
	to = BYTES(to, 0x9e);				      /* sahf */
	return BYTES(to, flags & DIRECTION ? 0xfd : 0xfc);    /* std, cld */
}

/* What the kernel would do with an interrupted call if no handler runs. */
static void restart(struct user_regs_struct *regs)
{
	if ((long)regs->orig_rax < 0)
		return;
	switch (-(long)regs->rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
		regs->rax = regs->orig_rax;
		regs->rip -= 2;
		break;
	case ERESTART_RESTARTBLOCK:
		regs->rax = SYS_restart_syscall;
		regs->rip -= 2;
		break;
	}
}

/* The call of a thread that stands, if the kernel would start it again. */
static long interrupted(const struct user_regs_struct *regs)
{
	return (long)regs->orig_rax < 0 ? 0 : -(long)regs->rax;
}

bool restore_restarts(const struct user_regs_struct *regs)
{
	return interrupted(regs) == ERESTARTSYS || restore_nohand(regs);
}

bool restore_nohand(const struct user_regs_struct *regs)
{
	return interrupted(regs) == ERESTARTNOHAND ||
	       interrupted(regs) == ERESTART_RESTARTBLOCK;
}

size_t restore_code(uint8_t *to, const struct user_regs_struct *from, uint64_t mask,
		    uint64_t used, bool eintr)
{
	struct user_regs_struct regs = *from;
	uint8_t *at = to;

	if (eintr)
		regs.rax = -EINTR;
	else
		restart(&regs);
	/* First what a signal handler sees: signals may come as soon as the mask is set. */
	at = load(at, SP, regs.rsp);
	at = load(at, BX, regs.rbx);
	at = load(at, BP, regs.rbp);
	at = load(at, R8, regs.r8);
	at = load(at, R9, regs.r9);
	at = load(at, R12, regs.r12);
	at = load(at, R13, regs.r13);
	at = load(at, R14, regs.r14);
	at = load(at, R15, regs.r15);
	if (mask) {
		at = load(at, AX, SYS_rt_sigprocmask);
		at = load(at, DI, 2); /* SIG_SETMASK */
		at = load(at, SI, mask);
		at = load(at, DX, 0);
		at = load(at, R10, 8);
		at = BYTES(at, 0x0f, 0x05); /* syscall */
	}
	if (used) {
		at = load(at, AX, used);
		at = BYTES(at, 0xc7, 0x00, 0, 0, 0, 0); /* movl $0, (%rax) */
	}
	at = load_flags(at, regs.eflags);
	at = load(at, CX, regs.rcx);
	at = load(at, DX, regs.rdx);
	at = load(at, SI, regs.rsi);
	at = load(at, DI, regs.rdi);
	at = load(at, R10, regs.r10);
	at = load(at, R11, regs.r11);
	at = load(at, AX, regs.rax);
	at = BYTES(at, 0xff, 0x25, 0, 0, 0, 0); /* jmp *0(%rip) */
	at = bytes(at, &regs.rip, sizeof(regs.rip));
	return at - to;
}
