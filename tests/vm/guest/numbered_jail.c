// SPDX-License-Identifier: GPL-2.0-only
/* A VMM that may do nothing but its work, as jailers make them. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "numbered_vmm.h"

#define EMPTY  "/empty"
#define NOBODY 65534

int numbered_jail(unsigned int flags)
{
	if (flags & NUMBERED_CHROOT) {
		if (mkdir(EMPTY, 0555) && errno != EEXIST)
			return -errno;
		if (chroot(EMPTY) || chdir("/"))
			return -errno;
	}
	if (flags & NUMBERED_USER)
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			return -errno;
	return 0;
}

static const unsigned int calls[] = {
	SYS_read,
	SYS_write,
	SYS_pread64,
	SYS_ppoll,
	SYS_futex,
	SYS_clock_nanosleep,
	SYS_clock_gettime,
	SYS_restart_syscall,
	SYS_rt_sigreturn,
	/* pthread_kill() */
	SYS_rt_sigprocmask,
	SYS_getpid,
	SYS_gettid,
	SYS_tgkill,
	SYS_exit_group,
};

static const unsigned int requests[] = { KVM_RUN, KVM_IRQ_LINE, KVM_SIGNAL_MSI };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static size_t allow(struct sock_filter *f, unsigned int value)
{
	f[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	f[1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return 2;
}

static struct sock_filter load(size_t offset)
{
	return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
}

int numbered_filter(void)
{
	static const struct sock_filter kill = BPF_STMT(BPF_RET | BPF_K,
							SECCOMP_RET_KILL_PROCESS);
	struct sock_filter f[2 * COUNT(calls) + 2 * COUNT(requests) + 5];
	struct sock_fprog program = { .filter = f };
	size_t n = 0, i;

	f[n++] = load(offsetof(struct seccomp_data, nr));
	for (i = 0; i < COUNT(calls); i++)
		n += allow(f + n, calls[i]);
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 1, 0);
	f[n++] = kill;
	f[n++] = load(offsetof(struct seccomp_data, args[1]));
	for (i = 0; i < COUNT(requests); i++)
		n += allow(f + n, requests[i]);
	f[n++] = kill;
	program.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
		    &program))
		return -errno;
	return 0;
}
