// SPDX-License-Identifier: GPL-2.0-only
/*
 * alone.c - whether the mover sees who has a part in a VM: a process plays the VMM, an eventfd its
 * VM, and somebody comes before or after the first look.
 *
 * usage: alone CASE
 *
 * Prints what the mover makes of the first look, of the one when all threads stand, and, if that
 * says "again", of the first look after it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../scripts/multikvm/move/move.h"

static int vm, orders[2], answers[2];
static pid_t gone; /* a process that has ended */

/* It has the name of a VM. */
ssize_t readlinkat(int folder, const char *path, char *to, size_t size)
{
	ssize_t length = syscall(SYS_readlinkat, folder, path, to, size);
	static const char name[] = "anon_inode:kvm-vm", event[] = "anon_inode:[eventfd]";

	if (length != sizeof(event) - 1 || memcmp(to, event, sizeof(event) - 1))
		return length;
	memcpy(to, name, sizeof(name));
	return sizeof(name) - 1;
}

bool vm_same_file(pid_t one, int fd, pid_t other, int fd2)
{
	return syscall(SYS_kcmp, one, other, KCMP_FILE, fd, fd2) == 0;
}

char *host_read(const char *fmt, ...)
{
	(void)fmt;
	return NULL;
}

static void answer(char what)
{
	if (write(answers[1], &what, 1) != 1)
		_exit(1);
}

static char hear(int from)
{
	char what = 0;

	return read(from, &what, 1) == 1 ? what : 0;
}

/* Who comes; without the VM's file if it is to have no part in it. */
static int newcomer(void *without)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (without)
		close(vm);
	answer('x');
	for (;;)
		pause();
	return 0;
}

static pid_t come(int flags, bool without)
{
	static char stacks[8][32768];
	static int n;

	return clone(newcomer, stacks[n++] + sizeof(stacks[0]), flags | SIGCHLD,
		     without ? stacks : NULL);
}

static void *apart(void *unused)
{
	if (unshare(CLONE_FILES))
		return unused;
	answer('x');
	for (;;)
		pause();
	return unused;
}

/* Somebody with the number of a process that has ended. */
static void come_as(pid_t number)
{
	char text[16];
	int fd, length = snprintf(text, sizeof(text), "%d", number - 1);
	pid_t pid;

	fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, length) != length)
		_exit(1);
	close(fd);
	pid = come(CLONE_FILES, false);
	if (pid != number)
		_exit(1);
}

static void vmm(void)
{
	pthread_t thread;
	char order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((order = hear(orders[0])))
		switch (order) {
		case 'm':
			come(CLONE_VM, true);
			break;
		case 't':
			come(CLONE_FILES, false);
			break;
		case 'f':
			come(0, false);
			break;
		case 'n':
			come(0, true);
			break;
		case 'a':
			pthread_create(&thread, NULL, apart, NULL);
			break;
		case 'e':
			if (read(orders[0], &gone, sizeof(gone)) != sizeof(gone))
				_exit(1);
			come_as(gone);
			break;
		}
	_exit(0);
}

static void tell(char order)
{
	if (write(orders[1], &order, 1) != 1 ||
	    (order == 'e' && write(orders[1], &gone, sizeof(gone)) != sizeof(gone)))
		exit(1);
	if (hear(answers[0]) != 'x')
		exit(1);
}

static int stand(struct move *move)
{
	uint64_t until = now_ns() + 5000 * MS;
	int err = threads_seize(&move->target, until);

	if (!err)
		err = threads_stop(&move->target, until);
	if (!err)
		err = vm_still_alone(move);
	threads_detach(&move->target);
	return err;
}

static void print(struct move *move, int err)
{
	move->target.why[strcspn(move->target.why, "\n")] = '\0';
	printf("%s; ", err == -EAGAIN ? "again" : err ? move->target.why : "alone");
}

/* "before" the first look or "after" it, and who comes. */
int main(int argc, char **argv)
{
	struct vm_file file = { .kind = VM_FILE };
	struct move move = { .files = &file, .n_files = 1 };
	const char *who = argc > 2 ? argv[2] : "";
	bool before = argc > 1 && !strcmp(argv[1], "before");
	pid_t pid, child = 0;
	sigset_t signals;
	int err;

	vm = file.fd = eventfd(0, 0);
	if (pipe(orders) || pipe(answers))
		return 1;
	pid = fork();
	if (!pid)
		vmm();
	close(answers[1]);
	close(vm); /* this is another process, too */
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (*who == 'e') {
		child = fork();
		if (!child)
			for (;;)
				pause();
	}
	gone = child;
	err = target_open(&move.target, pid);
	if (before && *who)
		tell(*who);
	if (!err)
		err = vm_shared(&move);
	print(&move, err);
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	if (!before && *who)
		tell(*who);
	if (!err) {
		err = stand(&move);
		print(&move, err);
	}
	if (err == -EAGAIN) {
		free(move.others);
		print(&move, vm_shared(&move));
	}
	puts("");
	free(move.others);
	target_close(&move.target);
	kill(pid, SIGKILL);
	return 0;
}
