// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "cpu.h"
#include "sysfs.h"

int cpu_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

int cpu_online(int cpu, bool on)
{
	return sys_write(on ? "1" : "0", "/sys/devices/system/cpu/cpu%d/online", cpu);
}

int cpu_count(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

int cpu_read_msr(int cpu, uint32_t msr, uint64_t *value)
{
	char path[40];
	int fd, r;

	snprintf(path, sizeof(path), "/dev/cpu/%d/msr", cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = pread(fd, value, sizeof(*value), msr) == sizeof(*value) ? 0 : -errno;
	close(fd);
	return r;
}

int cpu_svme(int cpu)
{
	uint64_t efer;
	int r = cpu_read_msr(cpu, MSR_EFER, &efer);

	return r ? r : !!(efer & EFER_SVME);
}
