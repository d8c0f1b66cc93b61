// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: each VM has a number that no other VM ever had, of whichever instance, and a folder in
 * sysfs from its creation to its end that says whose it is, who made it, since when, and how many
 * vCPUs it has. The trace event of a vCPU switch carries the numbers of VM and instance, and
 * vac_vm_on_cpu() answers with them, also in an interrupt at any time and while instances come
 * and go.
 *
 * fails when: numbers begin again with each instance (mutant vm-numbers-of-each-instance), a
 * switch does not note the VM (mutant vm-not-noted), or a VM that is gone is still found (mutant
 * vm-stays-known).
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define VMS   VAC "/vms"
#define TRACE "/sys/kernel/tracing"
#define PROBE "/sys/module/vm_on_cpu/parameters"

/* The largest number in sysfs, 0 if there is none; their count in *n. */
static unsigned long long newest(int *n)
{
	struct names names = names_of_dir(VMS);
	unsigned long long number, most = 0;
	size_t i;

	for (i = 0; i < names.n; i++) {
		number = strtoull(names.name[i], NULL, 10);
		if (number > most)
			most = number;
	}
	*n = names.n;
	names_free(names);
	return most;
}

static void says_who(unsigned long long number, const char *tag, int vcpus, time_t before)
{
	char value[32] = "?";
	long long since;

	sys_read(value, sizeof(value), VMS "/%llu/instance", number);
	ok(!strcmp(value, tag), "VM %llu says that it is one of %s (%s)", number, tag,
	   value);
	ok_is(sys_read_number(VMS "/%llu/pid", number), getpid(), "and who made it");
	ok_is(sys_read_number(VMS "/%llu/vcpus", number), vcpus,
	      "and how many vCPUs it has");
	since = sys_read_number(VMS "/%llu/since", number);
	ok(since >= before && since <= time(NULL), "and since when");
}

static void numbers(void)
{
	unsigned long long number[4], last = 0;
	time_t before = time(NULL);
	struct vcpu *vcpu;
	struct vm *vm[4];
	int i, n;

	newest(&n);
	ok_is(n, 0, "there is no VM");
	for (i = 0; i < 4; i++) {
		need(vm_create(&vm[i], device_of(tags[i % 2]), 0), "a VM of %s",
		     tags[i % 2]);
		number[i] = newest(&n);
		ok(number[i] > last, "its number, %llu, was never there", number[i]);
		ok_is(n, i + 1, "each has a folder");
		last = number[i];
	}
	need(vcpu_create(vm[1], &vcpu), "the second gets a vCPU");
	says_who(number[0], "a", 0, before);
	says_who(number[1], "b", 1, before);
	for (i = 0; i < 4; i++)
		vm_destroy(vm[i]);
	newest(&n);
	ok_is(n, 0, "their folders go with them");
	ok_errno(unload_instance("a"), "a unloads");
	ok_errno(load_instance("a"), "and loads");
	need(vm_create(&vm[0], device_of("a"), 0), "a VM of a");
	ok(newest(&n) > last, "its number was never there, either");
	vm_destroy(vm[0]);
}

/* The event names the instance of each VM that it names. */
static void traced(void)
{
	const struct payload *p = payload_find("cpuid");
	long long number[2], of[2] = { 0, 0 }, events = 0, wrong = 0;
	struct work *w[2];
	char line[256];
	FILE *f;
	int t;

	need(sys_write("1", TRACE "/events/vac/vac_vcpu_switch/enable"), "vac is traced");
	for (t = 0; t < 2; t++) {
		int n;

		need(work_start(&w[t], device_of(tags[t]), p, 2, 0, 0),
		     "guests of %s run", tags[t]);
		number[t] = newest(&n);
	}
	for (t = 0; t < 2; t++)
		if (!ok(!work_advances(w[t], 20, 60), "and make progress"))
			diag("  %s", work_why());
	for (t = 0; t < 2; t++)
		ok_errno(work_stop(w[t]), "and stop");
	sys_write("0", TRACE "/events/vac/vac_vcpu_switch/enable");

	f = fopen(TRACE "/per_cpu/cpu0/trace", "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *what = strstr(line, "vac_vcpu_switch: ");
		unsigned long long vm;
		unsigned int instance;
		char tag[25];

		if (!what || sscanf(what, "vac_vcpu_switch: instance %u %24s vm %llu ",
				    &instance, tag, &vm) != 3)
			continue;
		events++;
		t = !strcmp(tag, "b");
		of[t]++;
		wrong += instance != instance_number(tags[t], "number") ||
			 (long long)vm != number[t];
	}
	if (f)
		fclose(f);
	diag("%lld switches", events);
	ok(of[0] && of[1], "switches to each of the two were traced");
	ok_is(wrong, 0, "each with the numbers of its VM and its instance");
}

/* A module asks in a timer's interrupt. Two VMs that share CPU 0 must not be confused. */
static void noted(void)
{
	const struct payload *p = payload_find("cpuid");
	unsigned int seen[2] = { 0, 0 };
	unsigned long long number[2];
	char want[2][32], pair[32];
	struct work *w[2];
	int t, i, n;

	for (t = 0; t < 2; t++) {
		need(work_start(&w[t], device_of(tags[t]), p, 1, 0, 0),
		     "a guest of %s on CPU 0", tags[t]);
		number[t] = newest(&n);
		snprintf(want[t], sizeof(want[t]), "%llu:%lld", number[t],
			 instance_number(tags[t], "number"));
	}
	ok(number[1] == number[0] + 1, "their numbers follow each other");
	for (t = 0; t < 2; t++) {
		snprintf(pair, sizeof(pair), "%lld", instance_number(tags[t], "number"));
		need(sys_write(pair, number[t] % 2 ? PROBE "/odd" : PROBE "/even"),
		     "the module knows %s", want[t]);
	}
	for (i = 0; i < 5000 && !(seen[0] && seen[1]); i++) {
		sys_read(pair, sizeof(pair), PROBE "/pair");
		for (t = 0; t < 2; t++)
			seen[t] += !strcmp(pair, want[t]);
		usleep(1000);
	}
	for (t = 0; t < 2; t++)
		ok(seen[t], "the VM of %s was seen on CPU 0 (%s)", tags[t], want[t]);
	ok_is(sys_read_number(PROBE "/wrong"), 0,
	      "never one with the instance of the other");
	for (t = 0; t < 2; t++)
		ok_errno(work_stop(w[t]), "the guest of %s stops", tags[t]);
	need(sys_write("0", PROBE "/odd"), "the module forgets them");
}

/* The same while instances come and go. */
static void survives(void)
{
	const struct payload *p = payload_find("cpuid");
	struct work *w;
	int i;

	for (i = 0; i < 5; i++) {
		if (!ok(!work_start(&w, device_of("b"), p, 2, 0, -1), "guests of b run"))
			diag("  %s", work_why());
		if (!ok(!work_advances(w, 20, 60), "and make progress"))
			diag("  %s", work_why());
		ok_errno(work_stop(w), "and stop");
		ok_errno(unload_instance("b"), "b unloads");
		ok_errno(load_instance("b"), "and loads");
	}
	diag("asked %lld times, a VM was there %lld times",
	     sys_read_number(PROBE "/asked"), sys_read_number(PROBE "/found"));
	ok(sys_read_number(PROBE "/found") > 0, "a VM was found");
	usleep(100000);
	ok_is(sys_read_number(PROBE "/here"), 0, "none is found when all are gone");
}

int main(void)
{
	load_two();
	numbers();
	traced();
	need(mod_insert("vm-on-cpu", ""), "somebody asks all the time");
	noted();
	survives();
	ok_errno(mod_remove_within("vm-on-cpu", 5), "who asked goes");
	unload_two();
	return tap_end();
}
