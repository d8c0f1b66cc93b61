// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: measure DEVICE MODULE...     loads the modules, then measures exits on DEVICE
 *        measure - MODULE...          measures the time that loading them takes
 *
 * A module written +NAME is loaded before anything is measured. tests/bench/run starts
 * this in tests/vm/machine. By that machine's instruction clock the TSC of host and guest
 * counts instructions. Lines of the report, fields by tabs, after "# bench:":
 *   what, unit, where it is handled (kernel, user, switch, load), median, least, samples
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../vm/guest/vmm.h"
#include "../vm/lib/mod.h"
#include "../vm/lib/sysfs.h"
#include "../vm/lib/tap.h"
#include "payloads.h"

#define ROUNDS	 2000
#define SWITCHES 500
#define WARM_UP	 50 /* the first rounds are left out */
#define LOADS	 10

static const char *device;

static uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return ((uint64_t)hi << 32) | lo;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(const char *what, const char *where, uint32_t *sample, size_t n)
{
	sample += WARM_UP;
	n -= WARM_UP;
	qsort(sample, n, sizeof(*sample), by_size);
	diag("bench:\t%s\tinstructions\t%s\t%u\t%u\t%zu", what, where, sample[n / 2],
	     sample[0], n);
}

/* ---- guests ------------------------------------------------------------------------ */

/* Runs to the end of the payload; after a HLT that exits to user space it goes on. */
static int run(struct vcpu *v)
{
	struct event e;

	do
		vcpu_run(v, &e);
	while (e.kind == EV_HLT);
	if (e.kind == EV_DONE)
		return 0;
	diag("  vCPU %d: %s", v->id, event_text(v, &e));
	return -EIO;
}

static void *samples_of(struct vcpu *v)
{
	return vm_gpa(v->vm, TOUCH_GPA + v->id * TOUCH_SIZE);
}

/* A VM whose memory the host has, and that no vCPU ever touched. */
static int create(struct vm **vm, unsigned int flags, int vcpus)
{
	struct vcpu *v;
	int r = vm_create(vm, device, flags);

	while (!r && vcpus--) {
		r = vcpu_create(*vm, &v);
		if (!r)
			memset(samples_of(v), 1, TOUCH_SIZE);
	}
	if (!r)
		memset((*vm)->dirty, 1, DIRTY_PAGES * GUEST_PAGE);
	return r;
}

static void exits(const char *what, const char *where, unsigned int flags, guest_fn *fn)
{
	struct vm *vm;
	int r = create(&vm, flags, 1);

	if (!r)
		r = vcpu_set_long(vm->vcpu[0], fn, ROUNDS, 0);
	if (!r)
		r = run(vm->vcpu[0]);
	if (ok_errno(r, "%s", what))
		report(what, where, samples_of(vm->vcpu[0]), ROUNDS);
	vm_destroy(vm);
}

static int fault_round(struct vcpu *v)
{
	int r = vcpu_set_long(v, bench_fault, DIRTY_PAGES, 0);

	return r ? r : run(v);
}

static void faults(void)
{
	static const char fresh[] = "page fault, fresh page";
	static const char protected[] = "page fault, dirty log";
	uint64_t bits;
	struct vm *vm;
	int r, i;

	r = create(&vm, 0, 1);
	if (!r)
		r = fault_round(vm->vcpu[0]);
	if (ok_errno(r, fresh))
		report(fresh, "kernel", samples_of(vm->vcpu[0]), DIRTY_PAGES);
	vm_destroy(vm);

	r = create(&vm, VM_DIRTY_LOG, 1);
	if (!r)
		r = fault_round(vm->vcpu[0]);
	for (i = 0; !r && i < DIRTY_PAGES / 64; i++)
		r = vm_dirty_log(vm, i, &bits);
	if (!r)
		r = fault_round(vm->vcpu[0]);
	if (ok_errno(r, protected))
		report(protected, "kernel", samples_of(vm->vcpu[0]), DIRTY_PAGES);
	vm_destroy(vm);
}

/* ---- switches ---------------------------------------------------------------------- */

static void *run_thread(void *v)
{
	return (void *)(intptr_t)run(v);
}

/* Threads of one real-time priority: they change only where one sleeps or yields. */
static int strictly_in_turn(bool on)
{
	struct sched_param p = { .sched_priority = on };

	return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p) ? -errno : 0;
}

static void ping_pong(void)
{
	static const char what[] = "two vCPUs wake each other";
	pthread_t thread;
	struct vm *vm;
	void *other;
	int r;

	r = create(&vm, VM_IRQCHIP, 2);
	if (!r)
		r = vcpu_set_long(vm->vcpu[0], bench_ping, SWITCHES, 0);
	if (!r)
		r = vcpu_set_long(vm->vcpu[1], bench_pong, SWITCHES, 0);
	if (!r)
		r = strictly_in_turn(true);
	if (!r)
		r = -pthread_create(&thread, NULL, run_thread, vm->vcpu[1]);
	if (!r) {
		sched_yield();
		r = run(vm->vcpu[0]);
		pthread_join(thread, &other);
		r = r ? r : (int)(intptr_t)other;
	}
	strictly_in_turn(false);
	if (ok_errno(r, what))
		report(what, "switch", samples_of(vm->vcpu[0]), SWITCHES);
	vm_destroy(vm);
}

static void wake_from_thread(void)
{
	static const char what[] = "a thread wakes a vCPU";
	static uint32_t sample[SWITCHES];
	volatile struct guest_area *area;
	uint64_t i, start, one = 1;
	pthread_t thread;
	struct vm *vm;
	int r, fd;
	void *v;

	r = create(&vm, VM_IRQCHIP, 1);
	if (!r)
		r = vcpu_set_long(vm->vcpu[0], bench_sleeper, SWITCHES, 0);
	fd = r ? r : vm_irqfd(vm, 0, IRQ_VECTOR);
	if (fd >= 0)
		r = strictly_in_turn(true);
	else
		r = fd;
	if (!r)
		r = -pthread_create(&thread, NULL, run_thread, vm->vcpu[0]);
	if (!r) {
		area = vm->vcpu[0]->area;
		sched_yield();
		for (i = 0; i < SWITCHES; i++) {
			start = rdtsc();
			if (write(fd, &one, sizeof(one)) != sizeof(one))
				break;
			while (area->progress <= i)
				sched_yield();
			sample[i] = rdtsc() - start;
		}
		pthread_join(thread, &v);
		r = (int)(intptr_t)v;
	}
	strictly_in_turn(false);
	if (ok_errno(r, what))
		report(what, "switch", sample, SWITCHES);
	if (fd >= 0)
		close(fd);
	vm_destroy(vm);
}

/* KVM_GET_TSC_KHZ loads the vCPU, reads a number, and puts it. */
static void load_put(int vcpus, const char *what)
{
	static uint32_t sample[ROUNDS];
	uint64_t start;
	struct vm *vm;
	int i, r, khz;

	r = create(&vm, 0, vcpus);
	for (i = 0; !r && i < ROUNDS; i++) {
		struct vcpu *v = vm->vcpu[i % vcpus];

		start = rdtsc();
		khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
		sample[i] = rdtsc() - start;
		r = khz < 0 ? -errno : 0;
	}
	if (ok_errno(r, what))
		report(what, "switch", sample, ROUNDS);
	vm_destroy(vm);
}

/* ---- modules ----------------------------------------------------------------------- */

enum { PAGES, SLAB, PERCPU, VMALLOC, MEMORY_LINES };

static const char * const memory_lines[MEMORY_LINES] = {
	[PAGES] = "memory",
	[SLAB] = "memory, Slab",
	[PERCPU] = "memory, Percpu",
	[VMALLOC] = "memory, VmallocUsed",
};

/* Free pages, with those that the CPUs keep for themselves: MemFree leaves them out. */
static long free_pages(void)
{
	char line[200];
	long sum = 0, n;
	FILE *file = fopen("/proc/zoneinfo", "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " pages free %ld", &n) == 1 ||
		    sscanf(line, " count: %ld", &n) == 1)
			sum += n;
	if (file)
		fclose(file);
	return sum;
}

/* In KiB. */
static void read_memory(long used[MEMORY_LINES])
{
	char line[200];
	FILE *file;
	int i;

	usleep(300000); /* some memory is freed later */
	sync();
	sys_write("3", "/proc/sys/vm/drop_caches");
	used[PAGES] = -free_pages() * (sysconf(_SC_PAGESIZE) / 1024);
	file = fopen("/proc/meminfo", "re");
	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "Slab: %ld", &used[SLAB]);
		sscanf(line, "Percpu: %ld", &used[PERCPU]);
		sscanf(line, "VmallocUsed: %ld", &used[VMALLOC]);
	}
	if (file)
		fclose(file);
	for (i = 0; i < MEMORY_LINES; i++)
		if (!used[i])
			diag("  %s: not found", memory_lines[i]);
}

static long long core_size(const char *file)
{
	char name[64], *c;

	snprintf(name, sizeof(name), "%s", file);
	for (c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	return sys_read_number("/sys/module/%s/coresize", name);
}

static void report_one(const char *what, const char *unit, long long value)
{
	diag("bench:\t%s\t%s\tload\t%lld\t%lld\t1", what, unit, value, value);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* halt_poll_ns=0: a halted vCPU sleeps at once, so that each halt costs the same. */
static const char *parameters(const char *file)
{
	bool core = !strncmp(file, "kvm", 3) && strcmp(file, "kvm-amd") &&
		    strcmp(file, "kvm-intel");

	return core ? "halt_poll_ns=0" : "";
}

static void insert(char **modules, bool given)
{
	char **m;

	for (m = modules; *m; m++)
		if ((**m == '+') == given)
			need(mod_insert(*m + given, parameters(*m + given)), "%s loads",
			     *m + given);
}

/* Loads them once; what that costs. */
static void load(char **modules)
{
	long before[MEMORY_LINES] = {}, after[MEMORY_LINES] = {};
	uint64_t start, instructions;
	long long size = 0;
	char **m;
	int i;

	read_memory(before);
	start = rdtsc();
	insert(modules, false);
	instructions = rdtsc() - start;
	read_memory(after);
	for (m = modules; *m; m++)
		if (**m != '+')
			size += core_size(*m);
	ok(true, "modules load");
	report_one("load", "instructions", instructions);
	for (i = 0; i < MEMORY_LINES; i++)
		report_one(memory_lines[i], "KiB", after[i] - before[i]);
	report_one("memory, size of modules", "KiB", size / 1024);
}

/* The least of some times. */
static void load_again_and_again(char **modules)
{
	double ms, least = 1e9;
	char **m, **end;
	int i;

	for (end = modules; *end; end++)
		;
	for (i = 0; i < LOADS; i++) {
		ms = now_ms();
		insert(modules, false);
		ms = now_ms() - ms;
		if (ms < least)
			least = ms;
		for (m = end; m-- > modules;)
			if (**m != '+')
				need(mod_remove_within(*m, 5), "%s unloads", *m);
	}
	ok(true, "modules load and unload %d times", LOADS);
	diag("bench:\tload time\tms\tload\t%.2f\t%.2f\t%d", least, least, LOADS);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: measure DEVICE|- MODULE...\n");
		return 1;
	}
	device = argv[1];
	need(mod_insert_needed(), "what modules need loads");
	insert(argv + 2, true);
	if (!strcmp(device, "-")) {
		load_again_and_again(argv + 2);
		return tap_end();
	}
	load(argv + 2);
	exits("nothing", "guest", 0, bench_nothing);
	exits("CPUID", "kernel", 0, bench_cpuid);
	exits("MSR read", "kernel", 0, bench_rdmsr);
	exits("MSR write", "kernel", 0, bench_wrmsr);
	exits("MSR write, TSC_AUX", "kernel", 0, bench_tsc_aux);
	exits("hypercall", "kernel", 0, bench_hypercall);
	exits("port I/O in the kernel", "kernel", VM_IRQCHIP, bench_pic);
	exits("interrupt, sent and ended", "kernel", VM_IRQCHIP, bench_interrupt);
	faults();
	exits("port I/O to user space", "user", 0, bench_port);
	exits("MMIO to user space", "user", 0, bench_mmio);
	exits("HLT to user space", "user", 0, bench_hlt);
	load_put(1, "load and put, same vCPU");
	load_put(2, "load and put, two vCPUs");
	ping_pong();
	wake_from_thread();
	return tap_end();
}
