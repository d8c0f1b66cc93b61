// SPDX-License-Identifier: GPL-2.0-only
/*
 * liar.c - a helper that lies: what a VMM can put into its own memory must not lead the guard
 * astray, which is root. Guard and VMM are one process here, the helper is its second thread.
 *
 * usage: liar CASE
 *
 * It ends with 0 and says what the guard made of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../scripts/multikvm/move/move.h"

#define REQUEST(step) ((step)->argument[1])

static struct move move = { .vm = -1, .to = "to", .from = "from" };
static struct parasite data;
static const char *lie;
static int ends[2];

/* What the guard asks KVM for, and what other parts of it are for. */
bool msr_is_late(uint32_t msr)
{
	return msr == 4;
}

bool msr_is_compared(uint32_t msr)
{
	return msr != 3;
}

bool msr_is_rehearsed(uint32_t msr, uint64_t value)
{
	return msr || value;
}

int msrs_candidates(struct move *of, uint32_t **msrs, int *n)
{
	(void)of;
	*n = 8;
	*msrs = calloc(*n, sizeof(**msrs));
	return 0;
}

int quiesce(struct move *of, uint64_t until)
{
	(void)of;
	(void)until;
	return 0;
}

int rest(struct move *of, unsigned int tries, uint64_t since)
{
	(void)of;
	(void)tries;
	(void)since;
	return 0;
}

int too_busy(struct move *of)
{
	(void)of;
	return -ECANCELED;
}

static bool is(const char *what)
{
	return !strcmp(lie, what);
}

/* An item whose payload is of that size, and says to be of another. */
static void *item(void *at, uint32_t request, uint32_t kind, uint32_t size, uint32_t said)
{
	struct kvm_move_item *one = at;

	*one = (struct kvm_move_item){
		.request = request, .vcpu = KVM_MOVE_VM, .kind = kind, .size = said
	};
	return (uint8_t *)(one + 1) + size;
}

static void tell_record(struct kvm_move_record *head)
{
	uint8_t *start = (void *)head->buffer, *at = start;

	if (is("a long item"))
		at = item(at, KVM_SET_TSS_ADDR, KVM_MOVE_PAYLOAD, 8, 0xfffffff0);
	else if (is("a short item"))
		at = item(at, KVM_IRQFD, KVM_MOVE_PAYLOAD, 0, 0);
	else if (is("an item of another kind"))
		at = item(at, KVM_IRQFD, KVM_MOVE_ARGUMENT, 0, 0);
	else if (is("text without an end"))
		at = memset(item(at, KVM_IRQFD, KVM_MOVE_REFUSED, 0, 4096), 'x', 4096) +
		     4096;
	else if (is("text for the terminal"))
		at = memcpy(item(at, KVM_IRQFD, KVM_MOVE_REFUSED, 0, 8), "a\nnext\033",
			    8) +
		     8;
	else
		at = item(at, KVM_SET_TSS_ADDR, KVM_MOVE_ARGUMENT, 0, 0);
	head->size = is("a long record") ? 1UL << 40 : (uint64_t)(at - start);
}

static void do_step(struct step *step)
{
	step->result = 0;
	if (step->kind == STEP_CALL && step->number == SYS_mmap)
		step->result = syscall(SYS_mmap, step->argument[0], step->argument[1],
				       step->argument[2], step->argument[3], -1, 0);
	else if (step->kind == STEP_CALL && REQUEST(step) == KVM_MOVE_RECORD)
		tell_record((void *)step->argument[2]);
	else if (step->kind == STEP_MSRS && is("a long list"))
		((struct kvm_msrs *)step->argument[2])->nmsrs = 1 << 30;
	else if (step->kind == STEP_MSRS && is("an MSR of none"))
		step->result = 60000;
	else if (step->kind == STEP_MSRS && is("another step"))
		*step = (struct step){ STEP_MSRS, .argument = { 0, 0, 1 }, .result = 9 };
}

static void *helper(void *unused)
{
	struct answer answer;
	struct order order;
	uint32_t i;

	while (recv(ends[0], &order, sizeof(order), 0) == sizeof(order)) {
		answer = (struct answer){
			.failed = -1,
			.failed_back = -1,
			.number = order.number,
		};
		for (i = 0; i < order.n; i++)
			do_step((struct step *)order.program + i);
		if (order.n > 1 && (is("an MSR of none") || is("another step")))
			answer.failed = 0;
		if (order.n > 1 && is("a step of none"))
			answer.failed = 1 << 30;
		if (order.n > 1 && is("a phase of none"))
			answer.phase = 77;
		if (order.n > 1 && is("an old answer"))
			answer.number--;
		if (send(ends[0], &answer, sizeof(answer), 0) < 0)
			break;
	}
	return unused;
}

/* Two steps, of which the first is about a list of MSRs. */
static int run(void)
{
	struct program program = { .vcpu = -1 };
	struct order order;
	struct kvm_msrs *list = arena_take(&move, 4096);
	int err;

	program_add(&program, "MSRs",
		    (struct step){ STEP_MSRS, WANT_SUCCESS,
				   .argument = { 0, 0, arena_there(&move, list) } });
	program_add(&program, "nothing", (struct step){ .kind = STEP_FORGET });
	err = program_load(&move, &program, NULL, &order);
	if (!err)
		err = helper_order(&move.target, &order, -1, &move.answer,
				   now_ns() + 300 * MS);
	if (!err)
		err = program_results(&move, &program, &order);
	if (!err && move.answer.failed >= 0)
		err = program_failed(&move, &program, REFUSED, "");
	program_free(&program);
	return err;
}

static int look_at(void)
{
	struct vcpu vcpu = { .new = -1, .fd = -1 };
	int err;

	move.vcpus = &vcpu;
	move.n_vcpus = 1;
	err = look(&move);
	printf("%u MSRs, ", vcpu.n_msrs + vcpu.n_late + vcpu.n_fixed);
	free(vcpu.msrs);
	return err;
}

static int read_record(void)
{
	int err = record_read(&move);

	if (!err)
		err = record_check(&move);
	free(move.record);
	return err;
}

/* The helper does not read, and the socket is full; or it names another file. */
static int meet(void)
{
	int pair[2], bytes = 0;

	move.target.image = calloc(1, sizeof(data));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return -errno;
	while (is("a full socket") &&
	       send(pair[1], &bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	data.ready = 1;
	data.peer = is("a full socket") ? pair[1] : STDIN_FILENO;
	data.n_slots = 1 << 30;
	return helper_connect(&move.target, now_ns() + 300 * MS);
}

static uint64_t word;

/* The VMM, at the same addresses whenever it is executed; says what the word is for each byte. */
static int vmm(void)
{
	char byte;

	while (read(0, &byte, 1) == 1 && byte != 'x') {
		if (write(1, &word, sizeof(word)) != sizeof(word))
			return 1;
	}
	return byte != 'x' || execl("/proc/self/exe", "liar", "VMM", NULL);
}

/* It becomes another program, the same in fact. */
static int execute(void)
{
	uint64_t value = 1, there = 1;
	int in[2], out[2];
	pid_t pid;
	int err;

	if (pipe(in) || pipe(out))
		return -errno;
	pid = fork();
	if (!pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		personality(ADDR_NO_RANDOMIZE);
		_exit(execl("/proc/self/exe", "liar", "VMM", NULL));
	}
	if (write(in[1], "?", 1) != 1 ||
	    read(out[0], &there, sizeof(there)) != sizeof(there))
		return -EIO;
	target_close(&move.target);
	err = target_open(&move.target, pid);
	if (!err && (write(in[1], "x?", 2) != 2 ||
		     read(out[0], &there, sizeof(there)) != sizeof(there)))
		err = -EIO;
	if (!err)
		err = target_write(&move.target, (uintptr_t)&word, &value, sizeof(value));
	if (write(in[1], "?", 1) != 1 ||
	    read(out[0], &there, sizeof(there)) != sizeof(there))
		err = -EIO;
	if (there)
		printf("the other program was written to, ");
	kill(pid, SIGKILL);
	return err;
}

int main(int argc, char **argv)
{
	struct target *target = &move.target;
	pthread_t thread;
	sigset_t child;
	int err;

	lie = argc > 1 ? argv[1] : "";
	if (is("VMM"))
		return vmm();
	/* Its addresses are those of the program that it executes. */
	if (is("another program") && !(personality(~0UL) & ADDR_NO_RANDOMIZE)) {
		personality(ADDR_NO_RANDOMIZE);
		execv("/proc/self/exe", argv);
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	err = target_open(target, getpid());
	if (!err && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		err = -errno;
	target->socket = ends[1];
	target->helper = getpid(); /* it lives */
	target->data = (uintptr_t)&data;
	pthread_create(&thread, NULL, helper, NULL);
	move.arena = &move.arenas[0];
	if (!err)
		err = arena_make(&move, 1 << 20);
	if (!err)
		err = is("another program")   ? execute()
		      : strstr(lie, "socket") ? meet()
		      : strstr(lie, "list")   ? look_at()
		      : strstr(lie, "record") || strstr(lie, "item") ||
				      strstr(lie, "text")
			      ? read_record()
			      : run();
	printf("%s\n", target->status ? target->why : err ? strerror(-err) : "done");
	fflush(stdout);
	_exit(0);
}
