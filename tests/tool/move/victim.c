// SPDX-License-Identifier: GPL-2.0-only
/*
 * victim.c - a process whose threads notice whatever happens to them: a register, a flag, a byte
 * below the stack or an FPU register that changed, a sleep that was too short, a call that ended
 * with EINTR although no handler ran or that did not although one did, a signal or a byte that
 * was lost.
 *
 * usage: victim [seccomp | sequence | forge TID]
 *
 * For each line on its standard input it says "ok" once all threads have gone on since; or what is
 * wrong, and ends. The number behind "ok" is how often epoll_wait() ended with EINTR, as the
 * kernel has it after any stop (signal(7)): a move undoes that, but if the guard is killed in
 * between. With "seccomp" a system call that its threads do not need kills it. With "sequence"
 * one thread stays in a restartable sequence. With "forge" its memory says that thread TID is the
 * helper of an earlier move.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../../scripts/multikvm/move/parasite/parasite.h"

#define NAP 20000000L /* ns */

static volatile uint64_t done[16], interrupted;
static volatile int turn;
static int pipe_ends[2], event_fd, epoll_fd;
static volatile sig_atomic_t handled, expected;
static pthread_t busy_thread, masked_thread;

static void wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* In the kernel as it is, so that glibc hides nothing. */
static long call(long number, long a, long b, long c, long d, long e)
{
	return syscall(number, a, b, c, d, e, 0) < 0 ? -errno : 0;
}

static void slept(const char *what, int64_t since, long result, long want)
{
	if (result != want)
		wrong("%s returned %ld, not %ld", what, result, want);
	if (now() - since < NAP)
		wrong("%s took %ld ns only", what, (long)(now() - since));
}

static void *sleeps(void *unused)
{
	struct timespec nap = { 0, NAP }, left;
	struct pollfd none = { .fd = -1 };
	int64_t since;
	int word = 0;

	for (;; done[0]++) {
		since = now();
		slept("nanosleep", since, call(SYS_nanosleep, (long)&nap, 0, 0, 0, 0), 0);
		since = now();
		slept("futex", since,
		      call(SYS_futex, (long)&word, FUTEX_WAIT_PRIVATE, 0, (long)&nap, 0),
		      -ETIMEDOUT);
		since = now();
		slept("poll", since, call(SYS_poll, (long)&none, 1, NAP / 1000000, 0, 0),
		      0);
		since = now();
		left = nap;
		slept("ppoll", since, call(SYS_ppoll, (long)&none, 1, (long)&left, 0, 0),
		      0);
	}
	return unused;
}

/* Two threads take turns, each wakes the other out of a call without a limit. */
static void *futexes(void *which)
{
	int me = which != NULL;

	for (;; done[1 + me]++) {
		while (turn != me)
			call(SYS_futex, (long)&turn, FUTEX_WAIT_PRIVATE, !me, 0, 0);
		turn = !me;
		call(SYS_futex, (long)&turn, FUTEX_WAKE_PRIVATE, 1, 0, 0);
	}
	return NULL;
}

static void *reads(void *unused)
{
	uint64_t next = 0, got;

	for (;; done[3]++, next++) {
		if (read(pipe_ends[0], &got, sizeof(got)) != sizeof(got))
			wrong("read: %s", strerror(errno));
		if (got != next)
			wrong("read %lu, not %lu", (long)got, (long)next);
	}
	return unused;
}

static void *waits(void *unused)
{
	struct epoll_event event;
	uint64_t value;

	for (;; done[4]++) {
		while (epoll_wait(epoll_fd, &event, 1, -1) != 1) {
			if (errno != EINTR)
				wrong("epoll_wait: %s", strerror(errno));
			interrupted++;
		}
		if (read(event_fd, &value, sizeof(value)) != sizeof(value))
			wrong("eventfd: %s", strerror(errno));
	}
	return unused;
}

/* Feeds the two above and sends signals, each only after the one before was seen. */
static void *feeds(void *unused)
{
	struct timespec nap = { 0, NAP / 20 };
	uint64_t next = 0, one = 1;

	for (;; done[5]++, next++) {
		if (write(pipe_ends[1], &next, sizeof(next)) != sizeof(next) ||
		    write(event_fd, &one, sizeof(one)) != sizeof(one))
			wrong("write: %s", strerror(errno));
		if (expected == handled) {
			expected++;
			pthread_kill(masked_thread, SIGUSR1);
			pthread_kill(busy_thread, SIGUSR2);
		}
		nanosleep(&nap, NULL);
	}
	return unused;
}

static volatile sig_atomic_t flagged;

static void flag(int number)
{
	(void)number;
	flagged = 1;
}

static void nothing(int number)
{
	(void)number;
}

/* A signal that comes in this call only must end it. */
static void *masked(void *unused)
{
	struct pollfd none = { .fd = -1 };
	sigset_t all;

	sigemptyset(&all);
	for (;; done[6]++) {
		if (ppoll(&none, 1, NULL, &all) != -1 || errno != EINTR)
			wrong("ppoll ended without a signal: %s", strerror(errno));
		if (!flagged)
			wrong("ppoll ended with EINTR, and no handler ran");
		flagged = 0;
		handled = handled + 1;
	}
	return unused;
}

/* Registers, flags, the red zone, vector registers through some ms; the place of the wrong one. */
long busy_round(long rounds);
asm(".text\n"
    ".globl busy_round\n"
    "busy_round:\n"
    "	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "	mov %rdi, %rax\n"
    "	mov $0x1111111111111111, %rbx; mov $0x2222222222222222, %rcx\n"
    "	mov $0x3333333333333333, %rdx; mov $0x4444444444444444, %rsi\n"
    "	mov $0x5555555555555555, %rdi; mov $0x6666666666666666, %rbp\n"
    "	mov $0x7777777777777777, %r8; mov $0x8888888888888888, %r9\n"
    "	mov $0x9999999999999999, %r10; mov $0xaaaaaaaaaaaaaaaa, %r11\n"
    "	mov $0xbbbbbbbbbbbbbbbb, %r12; mov $0xcccccccccccccccc, %r13\n"
    "	mov $0xdddddddddddddddd, %r14; mov $0xeeeeeeeeeeeeeeee, %r15\n"
    "	movq %rbx, %xmm0; movq %r15, %xmm15; movq %r12, %mm0\n"
    "	mov %rbx, -8(%rsp); mov %r15, -64(%rsp); mov %r12, -128(%rsp)\n"
    "	lea -7(%rsp), %rbx; lea 7(%rbx), %rbx\n" /* the stack pointer, in rbx */
    "	stc\n"
    "1:	jnc 90f; dec %rax; jnz 1b\n" /* dec leaves the carry alone */
    "	jnc 90f\n"
    "	inc %rax; cmp %rbx, %rsp; jne 90f\n"
    "	inc %rax; mov $0x1111111111111111, %rbx; cmp %rbx, -8(%rsp); jne 90f\n"
    "	movq %xmm0, %rbx; cmp %rbx, -8(%rsp); jne 90f\n"
    "	inc %rax; cmp %r15, -64(%rsp); jne 90f\n"
    "	movq %xmm15, %rbx; cmp %rbx, -64(%rsp); jne 90f\n"
    "	inc %rax; cmp %r12, -128(%rsp); jne 90f\n"
    "	movq %mm0, %rbx; cmp %rbx, -128(%rsp); jne 90f\n"
    "	inc %rax; mov $0x2222222222222222, %rbx; cmp %rbx, %rcx; jne 90f\n"
    "	inc %rax; mov $0x3333333333333333, %rbx; cmp %rbx, %rdx; jne 90f\n"
    "	inc %rax; mov $0x4444444444444444, %rbx; cmp %rbx, %rsi; jne 90f\n"
    "	inc %rax; mov $0x5555555555555555, %rbx; cmp %rbx, %rdi; jne 90f\n"
    "	inc %rax; mov $0x6666666666666666, %rbx; cmp %rbx, %rbp; jne 90f\n"
    "	inc %rax; mov $0x7777777777777777, %rbx; cmp %rbx, %r8; jne 90f\n"
    "	inc %rax; mov $0x8888888888888888, %rbx; cmp %rbx, %r9; jne 90f\n"
    "	inc %rax; mov $0x9999999999999999, %rbx; cmp %rbx, %r10; jne 90f\n"
    "	inc %rax; mov $0xaaaaaaaaaaaaaaaa, %rbx; cmp %rbx, %r11; jne 90f\n"
    "	inc %rax; mov $0xbbbbbbbbbbbbbbbb, %rbx; cmp %rbx, %r12; jne 90f\n"
    "	inc %rax; mov $0xcccccccccccccccc, %rbx; cmp %rbx, %r13; jne 90f\n"
    "	inc %rax; mov $0xdddddddddddddddd, %rbx; cmp %rbx, %r14; jne 90f\n"
    "	inc %rax; mov $0xeeeeeeeeeeeeeeee, %rbx; cmp %rbx, %r15; jne 90f\n"
    "	xor %eax, %eax; jmp 91f\n"
    "90:	inc %rax\n"
    "91:	emms\n"
    "	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "	ret\n");

static void *busy(void *counter)
{
	volatile uint64_t *mine = counter;
	long place;

	for (;; (*mine)++) {
		place = busy_round(1000000);
		if (place)
			wrong("a register changed, at place %ld of busy_round()", place);
	}
	return NULL;
}

static void *short_lived(void *counter)
{
	__atomic_add_fetch((uint64_t *)counter, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *creates(void *unused)
{
	pthread_t thread;

	for (;; done[9]++) {
		if (pthread_create(&thread, NULL, short_lived, (void *)&done[10]))
			wrong("pthread_create: %s", strerror(errno));
		pthread_join(thread, NULL);
	}
	return unused;
}

/*
 * A restartable sequence without an end: the kernel has it begin again whenever the thread was
 * interrupted. Whoever goes on in the middle has no longer told the kernel of it.
 */
extern const struct rseq_cs sequence;
static volatile int middle;

asm(".text\n"
    "sequence_round:\n"
    "	mov %rsi, (%rdi)\n"
    "sequence_start:\n"
    "	cmpq $0, (%rdi)\n"
    "	jne sequence_start\n"
    "	movl $1, (%rdx)\n"
    "	ret\n"
    "sequence_end:\n"
    "	.long 0x53053053\n" /* RSEQ_SIG */
    "sequence_abort:\n"
    "	jmp sequence_round\n"
    ".section .data.rel.ro, \"aw\"\n"
    ".balign 32\n"
    ".globl sequence\n"
    "sequence:\n"
    "	.long 0, 0\n"
    "	.quad sequence_start, sequence_end - sequence_start, sequence_abort\n"
    ".previous\n");

static void *stays(void *unused)
{
	struct rseq *area = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);

	asm volatile("call sequence_round"
		     :
		     : "D"(&area->rseq_cs), "S"(&sequence), "d"(&middle)
		     : "memory");
	return unused;
}

static volatile bool has_filters;

/* What the filter refuses it must refuse at any time. */
static void *refused(void *unused)
{
	struct timespec nap = { 0, NAP / 40 };
	int i;

	for (;;) {
		for (i = 0; i < 400 && has_filters; i++)
			if (syscall(SYS_getppid) >= 0)
				wrong("a system call was not filtered");
		nanosleep(&nap, NULL);
	}
	return unused;
}

static void filter_calls(void)
{
	static const int needed[] = {
		SYS_read,	    SYS_write,
		SYS_nanosleep,	    SYS_clock_nanosleep,
		SYS_futex,	    SYS_poll,
		SYS_ppoll,	    SYS_restart_syscall,
		SYS_exit,	    SYS_exit_group,
		SYS_rt_sigreturn,   SYS_epoll_wait,
		SYS_tgkill,	    SYS_getpid,
		SYS_rt_sigprocmask, SYS_newfstatat,
		SYS_gettid,	    SYS_clock_gettime,
		SYS_fstat,	    SYS_brk,
		SYS_rseq,	    SYS_set_robust_list,
	};
	struct sock_filter filter[64];
	struct sock_fprog program = { 0, filter };
	size_t i, n = 0;

	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, nr));
	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							   needed[i], 0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							   SECCOMP_RET_ALLOW);
	}
	filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid,
						   0, 1);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						   SECCOMP_RET_ERRNO | EACCES);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						   SECCOMP_RET_KILL_PROCESS);
	program.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
		    &program))
		wrong("seccomp: %s", strerror(errno));
	has_filters = true;
}

/* As if a helper of an earlier move were left, and were that thread. */
static void forge(int tid)
{
	struct parasite *data;
	uint8_t *at = mmap(NULL, 2 * PARASITE_STUBS + sizeof(*data),
			   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		wrong("mmap: %s", strerror(errno));
	*(uint64_t *)at = PARASITE_MAGIC;
	data = (void *)(at + PARASITE_STUBS);
	data->magic = PARASITE_MAGIC;
	data->base = (uintptr_t)at;
	data->ready = data->keep_open = 1;
	data->cloned = tid;
	if (mprotect(at, PARASITE_STUBS, PROT_READ | PROT_EXEC))
		wrong("mprotect: %s", strerror(errno));
}

static const char * const names[] = {
	"sleeps", "futexes", "futexes", "reads",   "waits",	  "feeds",
	"masked", "busy",    "busy",	"creates", "short-lived",
};

#define NAMES (sizeof(names) / sizeof(names[0]))

static void check(bool with_threads)
{
	uint64_t before[NAMES];
	int64_t since = now();
	size_t i;

	for (i = 0; i < NAMES; i++)
		before[i] = done[i];
	for (i = 0; i < NAMES; i++) {
		while (done[i] < before[i] + 2 && (i < 9 || with_threads)) {
			if (now() - since > 20000000000LL)
				wrong("%s does not go on", names[i]);
			usleep(1000);
		}
	}
	if (middle)
		wrong("a restartable sequence went on in the middle");
	printf("ok %lu\n", (long)interrupted);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = flag };
	struct epoll_event event = { .events = EPOLLIN };
	bool filtered = argc > 1 && !strcmp(argv[1], "seccomp");
	sigset_t usr1;
	pthread_t thread;
	char line[16];

	if (argc > 2 && !strcmp(argv[1], "forge"))
		forge(atoi(argv[2]));
	if (argc > 1 && !strcmp(argv[1], "sequence"))
		pthread_create(&thread, NULL, stays, NULL);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = nothing;
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &action, NULL);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	event_fd = eventfd(0, 0);
	epoll_fd = epoll_create1(0);
	if (pipe(pipe_ends) || event_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event))
		wrong("cannot begin: %s", strerror(errno));
	pthread_create(&thread, NULL, sleeps, NULL);
	pthread_create(&thread, NULL, futexes, NULL);
	pthread_create(&thread, NULL, futexes, (void *)&turn);
	pthread_create(&thread, NULL, reads, NULL);
	pthread_create(&thread, NULL, waits, NULL);
	pthread_create(&masked_thread, NULL, masked, NULL);
	pthread_create(&busy_thread, NULL, busy, (void *)&done[7]);
	pthread_create(&thread, NULL, busy, (void *)&done[8]);
	pthread_create(&thread, NULL, feeds, NULL);
	pthread_create(&thread, NULL, filtered ? refused : creates, NULL);
	if (filtered)
		filter_calls();
	check(!filtered);
	while (read(0, line, sizeof(line)) > 0)
		check(!filtered);
	return 0;
}
