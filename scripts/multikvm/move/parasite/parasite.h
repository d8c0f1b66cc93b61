/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parasite.h - what the code that a move puts into a VMM, and the guard outside, have in common.
 *
 * The parasite lies in one mapping of the VMM: code, which is not writable, then data:
 *
 *	code	the parasite; from PARASITE_STUBS on, for each slot, code that gives a thread
 *		its registers back
 *	data	struct parasite, the slots, the stack of the helper
 *
 * Its helper is a thread of the VMM's process, made by the guard and used by nobody else. It
 * executes programs, arrays of struct step, which the guard has put into the VMM's memory.
 *
 * Threads of the VMM stand in a ptrace stop while the helper switches. Their registers then are
 * those of parasite_park, so that a guard that is killed, which ends their stop, leaves them
 * there and not in the VMM's code. As long as the guard lives, no thread executes anything of the
 * parasite but one, for the microseconds that it takes to make the helper.
 */
#ifndef PARASITE_H
#define PARASITE_H

/* Offsets, for assembly. parasite.c checks them. */
#define SLOT_MASK	0
#define SLOT_LEAVE	16
#define SLOT_STACK	2048
#define PARASITE_STACK	8 /* top of the helper's stack */
#define PARASITE_CLONED 16

#define PARASITE_STUBS 12288 /* where they begin, from the start of the code */
#define PARASITE_STUB  512

#ifndef __ASSEMBLER__
#include <stdint.h>

#define PARASITE_MAGIC 0x313045564f4d564bULL /* "KVMOVE01" */

/* Who is in charge. From PHASE_OPEN only one of the others follows, by compare and exchange. */
enum phase {
	PHASE_OPEN,	 /* the guard: nothing has been changed */
	PHASE_CRITICAL,	 /* the helper, which needs nobody to end this phase */
	PHASE_SWITCHED,	 /* threads go on with the new VM */
	PHASE_BACK,	 /* they go on with the old one: a step failed */
	PHASE_ABANDONED, /* they go on with the old one: nobody began */
};

/* A thread whose registers the guard has replaced. */
struct slot {
	uint64_t mask;	   /* its signal mask */
	uint32_t used;	   /* its registers may be those of the parasite */
	uint16_t restarts; /* it was in a call that starts again if no handler runs, */
	uint16_t nohand; /* and that any handler ends, not only one without SA_RESTART */
	uint64_t leave;	 /* code that restores its registers and goes on */
	uint64_t leave_eintr; /* the same, and its system call ends with EINTR */
	uint8_t stack[SLOT_STACK - 32];
};

enum step_kind {
	STEP_CALL,    /* a system call */
	STEP_SAME,    /* argument[0] and [1] point to [2] equal bytes */
	STEP_COPY,    /* [2] bytes to [0] from [1] */
	STEP_AND,     /* the 32 bits at [0] &= [1] */
	STEP_INSTEAD, /* if the 32 bits at [1] are not 0: they, & [2], go to [0] */
	STEP_SEGMENTS, /* of the [1] struct kvm_segment at [0], the unusable ones lose their rights */
	STEP_CLOCK,    /* the time, in ns of CLOCK_MONOTONIC, goes to [0] */
	STEP_DEADLINE, /* fails once that time is later than [0] */
	STEP_MSRS, /* ioctl [1] on [0], with struct kvm_msrs at [2]; refused ones are left out */
	STEP_FORGET, /* the system call [0] with the argument [1] is not to be undone */
};

/* What a system call must return, or the program ends there. */
enum want { WANT_ANY, WANT_SUCCESS, WANT_VALUE };

/* How what it made goes again. */
enum undo { UNDO_NOTHING, UNDO_CLOSE, UNDO_UNMAP };

struct step {
	uint16_t kind, want, undo, tag; /* tag: the guard's */
	uint32_t number;		/* of a system call */
	uint64_t argument[6];
	int64_t value, result; /* of STEP_SAME: the offset of the first difference */
};

/* Of an MSR in a struct kvm_msr_entry: STEP_MSRS could not read or write it. */
#define MSR_LEFT_OUT 1

enum order_kind {
	ORDER_RUN, /* execute a program; what it made is undone at the end */
	/*
	 * The same as the critical phase: another program undoes it if it fails. Not after its
	 * first step, which changes nothing.
	 */
	ORDER_SWITCH,
	ORDER_END, /* undo all, leave no trace */
};

/* From the guard to the helper, one message each. A file descriptor may come with it. */
struct order {
	uint32_t kind;
	uint32_t n, n_back;
	uint32_t number; /* comes back with the answer */
	uint64_t program, back;
};

struct answer {
	int32_t failed;	     /* index of a step, or -1 */
	int32_t fd;	     /* the one that came with the order, or -1 */
	int64_t result;	     /* of the step that failed */
	int32_t failed_back; /* the same of the program that undoes, or -1 */
	uint32_t phase;
	uint64_t began, ended; /* CLOCK_MONOTONIC in ns: of the critical phase */
	uint32_t number, unused;
};

struct undone {
	uint64_t number, argument[2]; /* a system call; 0, read(), is an empty place */
};

#define PARASITE_UNDO 16384 /* things that a move can have made at one time */

#define PARASITE_START 8

struct parasite {
	uint64_t magic;
	uint64_t stack;
	int32_t cloned; /* the helper's number in the VMM's PID namespace */
	uint32_t unused;
	uint32_t phase;
	uint32_t keep_open; /* the guard's end of the socket is kept, see the helper */
	uint64_t deadline; /* CLOCK_MONOTONIC in ns: until then threads wait in PHASE_OPEN */
	uint64_t base, size; /* of all of it */
	uint64_t code_size;
	uint64_t end;	/* code elsewhere: a system call, then exit(0); or 0 */
	uint64_t slots; /* address of the first */
	uint32_t n_slots;
	int32_t ready;		    /* 1, or -errno: what follows is valid */
	int32_t socket, peer, wake; /* file descriptors of the VMM */
	uint32_t n_undo;
	struct undone undo[PARASITE_UNDO];
	struct step
		start[PARASITE_START]; /* for programs before there is memory for them */
};

#endif
#endif
