// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a CPU may go and come while both instances run guests: the guests go on, and on
 * every CPU that is online virtualization (EFER.SVME, CR4.VMXE) is on exactly as long as there
 * is a VM of any instance. The host-save page of an AMD CPU is the same whoever runs there
 * (hazards 1, 2 and 5).
 *
 * fails when: virtualization stays on or off where it must not, or the host-save area
 * changes (mutants svme-stays-on, cpu-comes-online-without, save-area-of-nobody).
 */
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"

#include <string.h>

#define TIMES scaled(5)

static void goes_on(struct work *w[2], const char *when)
{
	int t;

	for (t = 0; t < 2; t++)
		if (!ok(!work_advances(w[t], 10, 60), "guests of %s go on %s", tags[t],
			when))
			diag("  %s", work_why());
}

static void start(struct work **w, const char *tag)
{
	if (work_start(w, device_of(tag), payload_find("mix"), 2, 0, -1)) {
		diag("%s", work_why());
		need(-1, "guests of %s start", tag);
	}
}

/* AMD: host-save page of each CPU; 0 where it cannot be read. */
static void hsave(uint64_t page[2])
{
	int cpu;

	for (cpu = 0; cpu < 2; cpu++) {
		page[cpu] = 0;
		if (cpu_read_msr(cpu, MSR_VM_HSAVE_PA, &page[cpu]))
			diag("cpu %d: cannot read VM_HSAVE_PA", cpu);
		diag("cpu %d: host-save page 0x%llx", cpu, (unsigned long long)page[cpu]);
	}
}

static void ok_hsave(const uint64_t first[2], const char *when)
{
	uint64_t now[2];

	if (cpu_intel())
		return;
	hsave(now);
	ok(first[0] && first[1] && first[0] != first[1] &&
		   !memcmp(first, now, sizeof(now)),
	   "each CPU has its one host-save page %s", when);
}

int main(void)
{
	struct work *w[2];
	uint64_t page[2] = { 0, 0 };
	int i, t;

	load_two();
	ok_is(cpu_count(), 2, "two CPUs");
	ok_virt(0, "before the first VM");

	start(&w[0], "a");
	ok_virt(1, "with guests of a");
	if (!cpu_intel())
		hsave(page);
	start(&w[1], "b");
	ok_virt(1, "with guests of both");
	ok_hsave(page, "with guests of both");
	ok_errno(work_stop(w[0]), "guests of a stop");
	ok_virt(1, "with guests of b");
	ok_hsave(page, "with guests of b");
	start(&w[0], "a");

	for (i = 1; i <= TIMES; i++) {
		diag("time %d", i);
		ok_errno(cpu_online(1, false), "CPU 1 goes");
		ok_virt(1, "with CPU 1 gone");
		goes_on(w, "on one CPU");
		ok_errno(cpu_online(1, true), "CPU 1 comes back");
		ok_virt(1, "with CPU 1 back");
		goes_on(w, "on two CPUs");
	}
	ok_hsave(page, "after all that");

	diag("a CPU that is away when the last VM goes, and when the first one comes");
	ok_errno(cpu_online(1, false), "CPU 1 goes");
	for (t = 0; t < 2; t++)
		ok_errno(work_stop(w[t]), "guests of %s stop", tags[t]);
	ok_virt(0, "after the last VM, CPU 1 gone");
	ok_errno(cpu_online(1, true), "CPU 1 comes back");
	ok_virt(0, "with CPU 1 back and no VM");
	ok_errno(cpu_online(1, false), "CPU 1 goes");
	for (t = 0; t < 2; t++)
		start(&w[t], tags[t]);
	ok_errno(cpu_online(1, true), "CPU 1 comes back");
	ok_virt(1, "with CPU 1 back and VMs made meanwhile");
	goes_on(w, "then");
	for (t = 0; t < 2; t++)
		ok_errno(work_stop(w[t]), "guests of %s stop", tags[t]);
	ok_virt(0, "after the last VM");
	unload_two();
	return tap_end();
}
