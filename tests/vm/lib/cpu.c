// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
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

bool cpu_intel(void)
{
	uint32_t eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	return ebx == signature_INTEL_ebx;
}

const char *stock_module(void)
{
	return cpu_intel() ? "kvm-intel" : "kvm-amd";
}

int scaled(int n)
{
	return cpu_intel() ? (n + 4) / 5 : n;
}

int patience(int seconds)
{
	struct utsname host;

	return !uname(&host) && strstr(host.release, "-debug-") ? 6 * seconds : seconds;
}

static int read_cr4(int cpu, uint64_t *cr4)
{
	FILE *f = fopen("/sys/kernel/debug/control-registers", "re");
	unsigned long long value;
	int n, r = -ENXIO;

	if (!f)
		return -errno;
	while (r && fscanf(f, "cpu=%d cr4=%llx\n", &n, &value) == 2) {
		if (n != cpu)
			continue;
		*cr4 = value;
		r = 0;
	}
	fclose(f);
	return r;
}

int cpu_virt(int cpu)
{
	uint64_t value = 0;
	int r;

	if (cpu_intel()) {
		r = read_cr4(cpu, &value);
		return r ? r : !!(value & CR4_VMXE);
	}
	r = cpu_read_msr(cpu, MSR_EFER, &value);
	return r ? r : !!(value & EFER_SVME);
}
