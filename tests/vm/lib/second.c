// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "second.h"
#include "sysfs.h"
#include "tap.h"

#define ON_CRASH 2 /* KEXEC_FILE_ON_CRASH */
#define BEFORE	 "tap.before="

static int promised; /* the number of this kernel's last result */

bool second_is(int argc, char **argv)
{
	char line[4096] = "", *at;

	if (argc < 2 || strcmp(argv[1], "second"))
		return false;
	sys_read(line, sizeof(line), "/proc/cmdline");
	at = strstr(line, BEFORE);
	if (at)
		tap_continue(atoi(at + strlen(BEFORE)));
	return at;
}

/* Ours without the memory for a crash kernel, which it is in itself. */
static int command_line(char *line, size_t size, bool crash, int before)
{
	char ours[3000] = "", *word, *save;
	int n = 0, r = sys_read(ours, sizeof(ours), "/proc/cmdline");

	if (r)
		return r;
	for (word = strtok_r(ours, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (strncmp(word, "crashkernel=", strlen("crashkernel=")))
			n += snprintf(line + n, size - n, "%s ", word);
	n += snprintf(line + n, size - n, "nokaslr %s " BEFORE "%d",
		      crash ? "reset_devices" : "maxcpus=1", before);
	return n;
}

int second_load(bool crash, int ours, int modules)
{
	int kernel = open("/second/vmlinuz", O_RDONLY | O_CLOEXEC);
	int initrd = open("/second/initrd", O_RDONLY | O_CLOEXEC);
	char line[4096];
	int r;

	promised = tap_count() + ours;
	r = command_line(line, sizeof(line), crash, promised + modules);

	if (r > 0)
		r = syscall(SYS_kexec_file_load, kernel, initrd, strlen(line) + 1, line,
			    crash ? ON_CRASH : 0)
			    ? -errno
			    : 0;
	close(kernel);
	close(initrd);
	return r;
}

void second_wait_for_init(void)
{
	int port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY | O_NONBLOCK), left;
	char call[100];

	if (tap_count() != promised)
		need(-ERANGE, "the second kernel was told of %d results, not %d",
		     promised, tap_count());
	do {
		sched_yield();
		if (ioctl(STDOUT_FILENO, FIONREAD, &left))
			left = 0;
		if (sys_read(call, sizeof(call), "/proc/1/syscall"))
			strcpy(call, "7 ");
	} while (left || strncmp(call, "7 ", 2));
	tcdrain(port);
	close(port);
}

void second_enter(void)
{
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
}

void second_crash(void)
{
	sys_write("c", "/proc/sysrq-trigger");
}
