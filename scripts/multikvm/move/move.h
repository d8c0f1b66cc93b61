/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * move.h - the VM that is moved: what its process has of KVM, what is made for it in the new
 * instance, and the programs by which the helper does it.
 */
#ifndef MOVE_H
#define MOVE_H

#include <linux/kvm.h>

#include "../../../kvm-core/glue/kvm_move.h"
#include "target.h"

/* Memory of the process that the guard writes and reads, as it is here. */
struct arena {
	uint64_t remote;
	uint8_t *local;
	size_t size, used;
};

/* Steps with what they are for. */
struct program {
	struct step *steps;
	struct step_name {
		const char *what;
		int vcpu; /* index, or -1 */
	} * names;
	uint32_t n, room;
	int vcpu; /* of the steps to come */
};

enum file_kind { DEVICE_FILE, VM_FILE, VCPU_FILE, VM_STATS_FILE, VCPU_STATS_FILE };

/* A file descriptor of the process. */
struct vm_file {
	int fd;
	enum file_kind kind;
	int id;	       /* of the vCPU, or -1 */
	int first;     /* index of the first with the same open file */
	int dup_flags; /* O_CLOEXEC or 0 */
	int old, new;  /* numbers of the old and the new open file, or -1 */
};

/* A vCPU's struct kvm_run in the process. */
struct run_map {
	uint64_t start, size;
	int id, prot;
	uint64_t new;
};

/* The parts of a vCPU's state, in the order in which they are read. */
enum part {
	MP_STATE, /* first: it may take an INIT or SIPI, which changes the others */
	EVENTS,	  /* it may put an exception's payload into CR2 and DR6 */
	CPUID,
	UNTOLD, /* what only KVM_MOVE_VCPU tells; before the timer, whose ticks it has */
	REGS,
	SREGS,
	XCRS,
	XSAVE,
	LAPIC,
	MSRS,
	LATE_MSRS,
	FIXED_MSRS, /* the new vCPU has the same and takes no other: only read */
	TSC_OFFSET,
	DEBUG_REGS,
	NESTED,
	PARTS,
};

/* A copy of it, as addresses here; NULL: the VM has no such part. */
struct state {
	void *part[PARTS];
	struct kvm_nested_state *none; /* of a vCPU that has not done VMXON */
	bool tried;		       /* an MSR that is refused is left out */
};

struct vcpu {
	int id, fd, new;
	uint32_t n_msrs, n_compared, n_late, n_fixed;
	struct kvm_msr_entry
		*msrs;		/* those that are moved, the late ones, the fixed ones */
	struct kvm_msrs *fixed; /* as these were */
	struct state look, now, check;
	struct kvm_move_vcpu *busy;
	int khz;
};

/* Another process. */
struct other {
	pid_t pid;
	uint64_t inode;
};

struct times {
	uint64_t began, prepared, stopped, quiet, switched, gone_on, ended;
};

struct move {
	struct target target;
	const char *from, *to;	/* tags */
	unsigned int max_pause; /* ms */
	bool dry;

	int device, old_device; /* open here */
	struct vm_file *files;
	struct run_map *maps;
	struct vcpu *vcpus;
	int n_files, n_maps, n_vcpus;
	int *ours; /* file descriptors in the process that we have made */
	int n_ours;
	struct other *others; /* that have no part in the VM, by number */
	int n_others;

	/* The one that is used: arenas[0] for the state of the VM, [1] for questions meanwhile. */
	struct arena *arena, arenas[2];
	int vm, new_vm, new_device; /* file descriptors in the process */
	int xsave_size, nested_size;
	bool xsave2, xcrs, has_lapic, has_chips, has_pit, stable_tsc, is_vmx;
	struct kvm_move_record *head; /* the last answer, in the arena */
	uint8_t *record;	      /* as the VM was prepared by it */
	uint64_t record_size;
	struct program asked; /* see ask_load() */
	struct order ask;
	struct kvm_irqchip *chips, *chips_check;
	struct kvm_pit_state2 *pit;
	struct kvm_move_chips *untold; /* of the chips, the PIT and who holds a line */
	struct kvm_move_chips *unused; /* the same of the new VM, which has nothing yet */
	struct kvm_clock_data *clock;

	struct times times;
	unsigned int tries;
	uint64_t stood; /* ns, in all tries */
	bool switched;	/* it has the new VM: whatever goes wrong now, it was moved */
	struct answer answer;
};

/* program.c */
int arena_make(struct move *move, size_t size); /* the one that is used */
void *arena_take(struct move *move,
		 size_t size); /* zeroed; NULL: target_fail() was called */
uint64_t arena_there(struct move *move, const void *here);
int arena_write(struct move *move, const void *here, size_t size);
int arena_read(struct move *move, void *here, size_t size);
struct step *program_add(struct program *program, const char *what, struct step step);
struct step *program_call(struct program *program, const char *what, enum undo undo,
			  uint32_t number, uint64_t a, uint64_t b, uint64_t c,
			  uint64_t d);
struct step *program_ioctl(struct program *program, const char *what, int fd,
			   unsigned long request, uint64_t argument);
struct step *program_same(struct program *program, const char *what, uint64_t one,
			  uint64_t other, size_t size);
void program_free(struct program *program);
/* All of its memory is written before and read after. -ECANCELED if a step fails. */
int program_run(struct move *move, struct program *program);
/* The same, and move->answer says what failed. */
int program_try(struct move *move, struct program *program, int fd);
/* The same in parts: into the memory of the process; its start; what its steps returned. */
int program_load(struct move *move, struct program *program, struct program *back,
		 struct order *order);
int program_start(struct move *move, const struct order *order);
int program_ask(struct move *move, const struct order *order,
		uint64_t until);				  /* or -EBUSY */
int program_switch(struct move *move, const struct order *order); /* the critical phase */
int program_results(struct move *move, struct program *program,
		    const struct order *order);
/* Reports the step that failed. */
int program_failed(struct move *move, const struct program *program, enum status status,
		   const char *next);

/* vm.c: what the process has of KVM */
int vm_find(struct move *move);
bool vm_unchanged(struct move *move); /* since */
void vm_forget(struct move *move);
struct vcpu *vm_vcpu(struct move *move, int id);
bool vm_same_file(pid_t one, int fd, pid_t other, int fd2);

/* shared.c: who else has a part in it */
int vm_shared(struct move *move); /* refuses */
/*
 * When all threads stand, of those only that have come since. -EAGAIN: one has a part in it; most
 * often it is about to execute another program, or vm_shared() refuses.
 */
int vm_still_alone(struct move *move);

/* record.c: what the VMM has set */
int record_ask(struct move *move, struct program *program, size_t room);
int record_read(struct move *move);
bool record_unchanged(struct move *move);
int record_check(struct move *move);
int record_replay(struct move *move, int vcpu, struct program *program);
int record_irqfds(struct move *move, struct program *program, bool assign, int vm);

/* msrs.c: which MSRs are moved, and how */
int msrs_candidates(struct move *move, uint32_t **msrs, int *n);
bool msr_is_late(uint32_t msr);
bool msr_is_compared(uint32_t msr);
bool msr_is_rehearsed(uint32_t msr, uint64_t value);

/* state.c: the state of vCPUs and of the VM */
/* `msrs`: with those that are moved; `others`: the late and the fixed ones, too */
int state_take(struct move *move, struct vcpu *vcpu, struct state *state, bool msrs,
	       bool others);
void state_get(struct move *move, struct program *program, int fd, struct state *state);
void state_set(struct move *move, struct program *program, struct vcpu *vcpu,
	       struct state *state);
void state_set_late(struct move *move, struct program *program, struct vcpu *vcpu,
		    struct state *state); /* once the VM has its clock */
void state_compare(struct move *move, struct program *program, const struct state *one,
		   const struct state *other, uint32_t msrs);

/* prepare.c: the VM in the new instance, while the guest runs */
int prepare(struct move *move);
/* look.c: a short stop to see what the VM uses, and whether the new one takes it */
int look(struct move *move);
/* switch.c: the pause */
/* What is asked of the vCPUs and of the record each time that all threads stand. */
int ask_load(struct move *move);
/* -EBUSY: not all vCPUs are ready in that time; -EAGAIN: the VMM has changed its VM. */
int quiesce(struct move *move, uint64_t until);
int too_busy(struct move *move);
/*
 * After a try in which the VM has stood since that time it runs for at least as long. -EBUSY: all
 * tries have taken so long together that it is not to stand still again.
 */
int rest(struct move *move, unsigned int tries, uint64_t since);
int switch_over(struct move *move);

#endif
