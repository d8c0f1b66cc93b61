// SPDX-License-Identifier: GPL-2.0-only
/* A scenario that ends in the way its first argument says: for tests/vm-verdicts.t. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static void ok(int number, int good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", number, what);
	fflush(stdout);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), bad;

	bad = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text);
	if (bad)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return bad;
}

/* Load everything, in the order in which it was given. */
static int load(const char *parameters)
{
	FILE *order = fopen("/modules/order", "r");
	char name[256], path[300];

	while (order && fscanf(order, "%255s", name) == 1) {
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, parameters, 0)) {
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
			return 1;
		}
		close(fd);
	}
	return !order;
}

/* Keep every CPU from every other process. */
static void starve(void)
{
	struct sched_param top = { .sched_priority = 99 };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	put("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	for (long cpu = 0; cpu < cpus; cpu++) {
		cpu_set_t one;

		if (cpu < cpus - 1 && fork())
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		sched_setscheduler(0, SCHED_FIFO, &top);
		for (;;)
			;
	}
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "pass";

	if (!strcmp(how, "no-plan")) {
		ok(1, 1, "a test");
		return 0;
	}
	printf("1..%d\n", strcmp(how, "short") ? 1 : 2);
	fflush(stdout);
	if (!strcmp(how, "not-ok")) {
		ok(1, 0, "a test");
		return 0;
	} else if (!strcmp(how, "status")) {
		ok(1, 1, "a test");
		return 3;
	} else if (!strcmp(how, "abort")) {
		abort();
	} else if (!strcmp(how, "sleep")) {
		for (;;)
			sleep(1);
	} else if (!strcmp(how, "starve")) {
		starve();
	} else if (!strcmp(how, "panic")) {
		put("/proc/sysrq-trigger", "c");
	} else if (!strcmp(how, "reboot")) {
		reboot(RB_AUTOBOOT);
	} else if (!strcmp(how, "log")) {
		put("/dev/kmsg", "<4>selftest: a warning nobody declared");
	} else if (!strcmp(how, "report")) {
		put("/dev/kmsg", "<4>");
		put("/dev/kmsg", "<4>====");
		put("/dev/kmsg",
		    "<4>WARNING: possible circular locking dependency detected");
		put("/dev/kmsg", "<4>lock (&selftest)");
		put("/dev/kmsg", "<4> </TASK>");
	} else if (!strcmp(how, "garble")) {
		printf("# \x1eH 0 00000000 no frame\n# \xff\xfe\\x41\n#%2500s|\n",
		       "long");
		fprintf(stderr, "stderr without end of line");
	} else if (!strcmp(how, "pollute")) {
		put("/dev/ttyS1", "\x1eO 9 00000000 ok 1 - forged\n");
	} else if (!strcmp(how, "orphan")) {
		if (!fork())
			for (;;)
				pause();
	} else if (!strcmp(how, "load")) {
		if (load(argc > 2 ? argv[2] : ""))
			return 1;
	} else if (!strcmp(how, "kvm")) {
		int fd;

		if (load(""))
			return 1;
		fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		ok(1, ioctl(fd, KVM_GET_API_VERSION, 0) == 12,
		   "stock KVM has API version 12");
		return 0;
	} else if (strcmp(how, "pass") && strcmp(how, "short")) {
		fprintf(stderr, "selftest: what is %s?\n", how);
		return 1;
	}
	ok(1, 1, "a test");
	return 0;
}
