// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: perf samples that hit a guest are marked as the guest's, whichever instance runs it,
 * and carry the guest's instruction pointer (hazard 16). The emulated machine has no PMU, so
 * the samples are taken by perf's CPU clock, whose interrupt asks the same callbacks.
 *
 * fails when: vac asks nobody (mutant perf-asks-nobody), or the first instance only (mutant
 * perf-asks-the-first).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define CPU	     1
#define PERIOD_NS    1000000
#define DATA_PAGES   64
#define SAMPLES	     20
#define GUEST_IP_END (1ULL << 32) /* guests of ours live below 4 GiB */

struct sample {
	struct perf_event_header header;
	uint64_t ip;
};

static int fd;
static struct perf_event_mmap_page *ring;
static size_t page;

static int sampler_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.sample_period = PERIOD_NS,
		.sample_type = PERF_SAMPLE_IP,
	};

	page = sysconf(_SC_PAGESIZE);
	fd = syscall(SYS_perf_event_open, &attr, -1, CPU, -1, 0);
	if (fd < 0)
		return -errno;
	ring = mmap(NULL, (1 + DATA_PAGES) * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
	return ring == MAP_FAILED ? -errno : 0;
}

/* Reads what is in the ring: samples of guests, and how many of them have a guest's IP. */
static void count(unsigned int *guest, unsigned int *with_ip, unsigned int *host)
{
	const char *data = (const char *)ring + page;
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->data_tail;

	while (tail < head) {
		const struct sample *s = (const void *)(data +
							tail % (DATA_PAGES * page));
		int mode = s->header.misc & PERF_RECORD_MISC_CPUMODE_MASK;

		if (s->header.type == PERF_RECORD_SAMPLE) {
			if (mode == PERF_RECORD_MISC_GUEST_KERNEL ||
			    mode == PERF_RECORD_MISC_GUEST_USER) {
				++*guest;
				*with_ip += s->ip && s->ip < GUEST_IP_END;
			} else {
				++*host;
			}
		}
		tail += s->header.size;
	}
	__atomic_store_n(&ring->data_tail, tail, __ATOMIC_RELEASE);
}

static void samples_of(const char *tag)
{
	unsigned int guest = 0, with_ip = 0, host = 0;
	struct work *w;
	int i;

	if (!ok(!work_start(&w, device_of(tag), payload_find("compute"), 1, 0, CPU),
		"a guest of %s runs", tag)) {
		diag("  %s", work_why());
		return;
	}
	/* Sampling goes on until there are enough samples, 30 s at most. */
	for (i = 0; i < patience(300) && guest < SAMPLES; i++) {
		usleep(100000);
		count(&guest, &with_ip, &host);
	}
	diag("%s: %u samples in the guest, %u outside", tag, guest, host);
	ok(guest >= SAMPLES, "perf sees the guest of %s", tag);
	ok_is(with_ip, guest, "each with an address of the guest of %s", tag);
	ok_errno(work_stop(w), "the guest of %s stops", tag);
}

int main(void)
{
	unsigned int guest = 0, with_ip = 0, host = 0;

	load_two();
	need(sampler_open(), "perf samples CPU %d", CPU);
	samples_of("a");
	samples_of("b");
	samples_of("a");
	count(&guest, &with_ip, &host);
	guest = with_ip = host = 0;
	usleep(300000);
	count(&guest, &with_ip, &host);
	ok_is(guest, 0, "and no guest when there is none");
	close(fd);
	unload_two();
	return tap_end();
}
