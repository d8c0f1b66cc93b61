// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: BP_SPEC_REDUCE is set on each CPU before the first guest runs there, whichever instance it
 * is of, and cleared when the last VM of all instances is gone, not when that of one is (hazard 12).
 * A CPU that goes offline and comes back has it set again.
 *
 * The emulated CPU lacks the feature and ignores the MSR. So the instances a and b are built with
 * tests/vm/reduce-speculation.cocci, which assumes the feature, and this looks at the kernel's
 * trace of MSR accesses: whoever changes the bit reads the MSR first, and has to write it to set
 * the bit. Reading it always gives 0, so to clear the bit may need no write.
 *
 * modules: posted
 *
 * fails when: each instance counts its own VMs and keeps its own flags (naive
 * own-speculation-switch), or the last VM of an instance clears the bit (mutant
 * last-of-one-clears-all), or a CPU that comes back is taken for set (mutant
 * reduced-before-offline).
 *
 * only: amd
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define TRACE	   "/sys/kernel/tracing"
#define MSR	   "c001102e"
#define REDUCE_BIT 4

static const char * const tag[2] = { "a", "b" };

static void trace(bool on)
{
	static const char * const event[2] = { "read_msr", "write_msr" };
	int i;

	for (i = 0; i < 2; i++) {
		if (on)
			need(sys_write("msr == 0x" MSR, TRACE "/events/msr/%s/filter",
				       event[i]),
			     "%s of that MSR is traced", event[i]);
		need(sys_write(on ? "1" : "0", TRACE "/events/msr/%s/enable", event[i]),
		     "%s is %s", event[i], on ? "on" : "off");
	}
}

/* What happened on a CPU so far. */
static void seen(int cpu, int *set, int *cleared)
{
	char path[80], line[256], *value;
	FILE *f;

	snprintf(path, sizeof(path), TRACE "/per_cpu/cpu%d/trace", cpu);
	*set = *cleared = 0;
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "read_msr: " MSR ","))
			++*cleared; /* unless a write that sets it follows */
		value = strstr(line, "write_msr: " MSR ", value ");
		if (value) {
			value += strlen("write_msr: " MSR ", value ");
			if (strtoull(value, NULL, 16) & (1 << REDUCE_BIT)) {
				++*set;
				--*cleared;
			}
		}
	}
	if (f)
		fclose(f);
}

/* Since the last call for that CPU. */
static void ok_seen(int cpu, int set, int cleared, const char *when)
{
	static int before[2][2];
	int s, c;

	seen(cpu, &s, &c);
	s -= before[cpu][0];
	c -= before[cpu][1];
	before[cpu][0] += s;
	before[cpu][1] += c;
	if (!ok(s == set && c == cleared, "CPU %d: set %d times, cleared %d times, %s",
		cpu, set, cleared, when))
		diag("  set %d times, cleared %d times", s, c);
}

static void ok_reduced(int cpu, int want, const char *when)
{
	ok_is(vac_cpu_number(cpu, "srso"), want, "vac says so of CPU %d, %s", cpu, when);
}

static struct work *start(int t, int cpu)
{
	struct work *w = NULL;

	if (!ok(!work_start(&w, device_of(tag[t]), payload_find("cpuid"), 1, 0, cpu) &&
			!work_advances(w, 20, 60),
		"a guest of %s runs on CPU %d", tag[t], cpu)) {
		diag("  %s", work_why());
		exit(tap_end());
	}
	return w;
}

static void stop(struct work *w, int t)
{
	if (!ok(!work_stop(w), "the VM of %s goes", tag[t]))
		diag("  %s", work_why());
}

int main(void)
{
	struct work *a, *b, *b1;
	struct vm *idle;

	load_vac();
	need(load_instance("a"), "a loads");
	need(load_instance("b"), "b loads");
	if (instance_patched("a", "reduce-speculation.cocci") != 1) {
		skip("this KVM knows no BP_SPEC_REDUCE", "it stays while there are VMs");
		return tap_end();
	}
	trace(true);

	a = start(0, 0);
	ok_seen(0, 1, 0, "with the first guest");
	ok_seen(1, 0, 0, "where none ran");
	ok_reduced(0, 1, "with the first guest");
	ok_reduced(1, 0, "where none ran");
	b = start(1, 0);
	ok_seen(0, 0, 0, "with a guest of the other instance");
	stop(a, 0);
	ok_seen(0, 0, 0, "when a has no VM any more and b has one");
	ok_reduced(0, 1, "when a has no VM any more and b has one");
	ok(!work_advances(b, 20, 60), "the guest of b goes on");

	b1 = start(1, 1);
	ok_seen(1, 1, 0, "with its first guest");
	stop(b1, 1);
	ok_seen(0, 0, 0, "when one of two VMs of b goes");
	ok_seen(1, 0, 0, "when one of two VMs of b goes");

	need(cpu_online(1, false), "CPU 1 goes offline");
	ok_seen(1, 0, 1, "on its way down");
	need(cpu_online(1, true), "CPU 1 comes back");
	ok_reduced(1, 0, "before a guest runs there");
	b1 = start(1, 1);
	ok_seen(1, 1, 0, "with the first guest after it came back");
	stop(b1, 1);

	need(vm_create(&idle, device_of("a"), 0), "a makes a VM that does not run");
	stop(b, 1);
	ok_seen(0, 0, 0, "while there is a VM that does not run");
	vm_destroy(idle);
	ok_seen(0, 0, 1, "with the last VM of all");
	ok_seen(1, 0, 1, "with the last VM of all");
	ok_reduced(0, 0, "with the last VM of all");

	a = start(0, 0);
	ok_seen(0, 1, 0, "with a first guest again");
	stop(a, 0);
	ok_seen(0, 0, 1, "with the last VM again");
	trace(false);
	ok_errno(unload_instance("a"), "a unloads");
	ok_errno(unload_instance("b"), "b unloads");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
