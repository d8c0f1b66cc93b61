// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only program of a second-level Linux guest: says what it sees, and goes on saying so.
 *
 * One line a second on the console, where CPU i has done rounds[i] of work:
 *
 *	guest: beat <n> cpus=<online> uptime=<ms> wrong=<bad rounds> rounds=<n>,... blocks=<n> frames=<n>
 *
 * A line "stop" on the console ends it, by the reset that makes QEMU exit.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "traffic.h"

#define MAX_CPUS 16
#define BEAT_MS	 1000
#define PAUSE_US 20000

static atomic_ulong rounds[MAX_CPUS], wrong;

static long uptime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

/* 1 + 2 + ... + 1000 through memory: a page that was lost shows as a wrong sum. */
static int sum_is_right(volatile uint32_t *page)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < 1000; i++)
		page[i] = i + 1;
	for (uint32_t i = 0; i < 1000; i++)
		sum += page[i];
	return sum == 500500;
}

static void *work(void *arg)
{
	static uint32_t pages[MAX_CPUS][1024] __attribute__((aligned(4096)));
	int cpu = (intptr_t)arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return NULL;
	for (;;) {
		if (!sum_is_right(pages[cpu]))
			wrong++;
		rounds[cpu]++;
		usleep(PAUSE_US);
	}
}

/* Returns 1 when a line that begins with "stop" came. */
static int told_to_stop(int timeout_ms)
{
	static char line[64];
	static size_t used;
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char c;

	if (poll(&in, 1, timeout_ms) <= 0 || read(0, &c, 1) != 1)
		return 0;
	if (c == '\n' || used == sizeof(line))
		used = 0;
	else
		line[used++] = c;
	return used == 4 && !memcmp(line, "stop", 4);
}

static void beat(unsigned int n, int cpus)
{
	char line[400];
	int size, i;

	size = snprintf(line, sizeof(line),
			"guest: beat %u cpus=%d uptime=%ld wrong=%lu rounds=", n, cpus,
			uptime_ms(), wrong + traffic_wrong);
	for (i = 0; i < cpus; i++)
		size += snprintf(line + size, sizeof(line) - size, "%s%lu", i ? "," : "",
				 rounds[i]);
	size += snprintf(line + size, sizeof(line) - size, " blocks=%lu frames=%lu\n",
			 traffic_blocks, traffic_frames);
	if (write(1, line, size) < 0)
		return; /* nobody listens: no reason to end */
}

int main(void)
{
	int cpus, i;
	unsigned int n = 0;
	pthread_t thread;
	long next = 0;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > MAX_CPUS)
		cpus = MAX_CPUS;
	for (i = 0; i < cpus; i++)
		pthread_create(&thread, NULL, work, (void *)(intptr_t)i);
	traffic_start();
	usleep(PAUSE_US); /* so that the first line has something to say */
	for (;;) {
		long now = uptime_ms();

		if (now >= next) {
			beat(n++, cpus);
			next = now + BEAT_MS;
		}
		if (told_to_stop(next - now > 0 ? next - now : 0))
			break;
	}
	reboot(RB_AUTOBOOT);
	return 1;
}
