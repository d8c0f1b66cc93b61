// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of the demo that runs inside the emulated machine, for tests/demo/run.
 *
 * usage: demo OLD NEW FIX MARK	tags of three instances; what CPUID shows under FIX (hex)
 *
 * Besides TAP it prints for run:
 *	# say: <text>	a line of the story
 *	# wait: <text>	what it waits for
 *	# row: <cells>	a row of the table at the end, cells separated by '|'
 */
#define _GNU_SOURCE
#include "../vm/lib/cpu.h"
#include "../vm/lib/instances.h"
#include "../vm/lib/mod.h"
#include "../vm/lib/sysfs.h"
#include "../vm/lib/tap.h"
#include "../vm/linux/linux.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BOOT_SECONDS 200
#define ROUNDS	     25
#define GUESTS	     4

static const char *old, *new, *fix;
static unsigned int fix_mark;

static struct guest {
	struct linux_guest vm;
	const char *tag; /* where it runs, by what sysfs counted */
} guests[GUESTS];
static int running;

static TAP_FMT(1) void say(const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag("say: %s", text);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void need_guest(int err, const char *what, int i)
{
	if (err)
		diag("say: %s", linux_why());
	need(err, "guest %d %s", i + 1, what);
	ok(true, "guest %d %s", i + 1, what);
}

/* EBX of the leaf as the guest sees it, in words. */
static const char *mark_text(long long mark)
{
	static char text[2][24];
	static int i;
	char c[5] = "";

	i = !i;
	memcpy(c, &mark, 4);
	if (mark > 0 && mark == fix_mark)
		snprintf(text[i], sizeof(text[i]), "\"%s\"", c);
	else
		snprintf(text[i], sizeof(text[i]), "%llx", mark);
	return text[i];
}

/* Starts the next guest on a device; it must be counted by the instance `tag`, and by it alone. */
static void start(const char *device, const char *tag)
{
	struct guest *g = &guests[running];
	long long before = instance_number(tag, "vms");

	need_guest(linux_start(&g->vm, device), "starts", running);
	ok_is(instance_number_within(tag, "vms", before + 1, 30), before + 1,
	      "guest %d, of %s, is a VM of %s", running + 1, device, tag);
	g->tag = tag;
	running++;
}

static void wait_up(int i)
{
	struct linux_guest *vm = &guests[i].vm;

	diag("wait: Linux boots on %s", guests[i].tag);
	need_guest(linux_wait_up(vm, BOOT_SECONDS), "reaches its init", i);
	need_guest(linux_advances(vm, ROUNDS, 60), "computes on its CPUs", i);
	ok_is(vm->cpus, LINUX_CPUS, "guest %d has all its CPUs", i + 1);
}

/* All that run go on, and see what their instance shows. Returns the rounds they did. */
static unsigned long all_go_on(const char *when)
{
	unsigned long rounds = 0;
	int i, cpu;

	diag("wait: all guests compute %s", when);
	for (i = 0; i < running; i++) {
		struct linux_guest *vm = &guests[i].vm;
		unsigned long before[LINUX_CPUS];

		memcpy(before, vm->rounds, sizeof(before));
		need_guest(linux_advances(vm, ROUNDS, 60), when, i);
		for (cpu = 0; cpu < LINUX_CPUS; cpu++)
			rounds += vm->rounds[cpu] - before[cpu];
		ok_is(linux_mark(vm), strcmp(guests[i].tag, fix) ? 0 : fix_mark,
		      "guest %d sees the CPUID of %s %s", i + 1, guests[i].tag, when);
	}
	return rounds;
}

static void load(const char *tag)
{
	double from = now();
	char snapshot[40] = "?", patches[80] = "?";

	need(load_instance(tag), "kvm-%s loads", tag);
	ok(true, "kvm-%s loads", tag);
	sys_read(snapshot, sizeof(snapshot), VAC "/instances/%s/snapshot", tag);
	sys_read(patches, sizeof(patches), VAC "/instances/%s/patches", tag);
	say("loaded kvm-%s in %.1f s: sysfs says KVM of %s, patches %s; its device is "
	    "/dev/kvm-%s",
	    tag, now() - from, snapshot, patches, tag);
}

static void row(int i, const char *device)
{
	const struct linux_guest *vm = &guests[i].vm;
	char snapshot[40] = "?", patches[80] = "?";

	sys_read(snapshot, sizeof(snapshot), VAC "/instances/%s/snapshot", guests[i].tag);
	sys_read(patches, sizeof(patches), VAC "/instances/%s/patches", guests[i].tag);
	*strchrnul(patches, ':') = '\0';
	diag("row: %d|%s|%s|%s|%s|%s|%lu s|%lu|%lu+%lu", i + 1, device, guests[i].tag,
	     snapshot, patches, mark_text(linux_mark(vm)), vm->uptime_ms / 1000,
	     vm->beats, vm->rounds[0], vm->rounds[1]);
}

static void choose(const char *tag)
{
	ok_errno(set_default(tag), "%s becomes the default", tag);
	ok(!strcmp(default_tag(), tag), "sysfs says that %s is the default", tag);
}

int main(int argc, char **argv)
{
	double from;
	int i;

	if (argc != 5)
		return 1;
	old = argv[1];
	new = argv[2];
	fix = argv[3];
	fix_mark = strtoul(argv[4], NULL, 16);

	load_vac();
	load(old);
	load(new);
	ok(!strcmp(default_tag(), old), "%s, the first one loaded, is the default", old);

	from = now();
	start(device_of(old), old);
	start(device_of(new), new);
	wait_up(0);
	wait_up(1);
	all_go_on("beside each other");
	say("Linux with 2 CPUs booted on %s and on %s at once, in %.0f s; EBX of CPUID "
	    "40000001 is "
	    "%s and %s",
	    old, new, now() - from, mark_text(linux_mark(&guests[0].vm)),
	    mark_text(linux_mark(&guests[1].vm)));

	load(fix);
	say("guests 1 and 2 did %lu rounds of work meanwhile, none wrong",
	    all_go_on("when a third instance loads"));
	choose(fix);
	say("upgrade: echo %s > /sys/kernel/vac/default; it was %s", fix, old);
	start("/dev/kvm", fix);
	wait_up(2);
	say("guest 3 opened plain /dev/kvm and runs on %s (its vms: %lld): CPUID shows "
	    "it %s",
	    fix, instance_number(fix, "vms"), mark_text(linux_mark(&guests[2].vm)));
	all_go_on("after the upgrade");
	say("guests 1 and 2 stay on %s and %s, and still see %s and %s", old, new,
	    mark_text(linux_mark(&guests[0].vm)), mark_text(linux_mark(&guests[1].vm)));

	choose(old);
	say("rollback: echo %s > /sys/kernel/vac/default", old);
	start("/dev/kvm", old);
	wait_up(3);
	say("guest 4 opened plain /dev/kvm and runs on %s (its vms: %lld): CPUID shows "
	    "it %s",
	    old, instance_number(old, "vms"), mark_text(linux_mark(&guests[3].vm)));
	all_go_on("after the rollback");
	say("all four go on, guest 3 still sees %s; virtualization is on for %lld VMs on "
	    "%lld CPUs",
	    mark_text(linux_mark(&guests[2].vm)), vac_number("users"),
	    vac_number("enabled"));

	for (i = 0; i < running; i++)
		row(i, guests[i].vm.device);
	diag("wait: the guests stop");
	for (i = 0; i < running; i++)
		need_guest(linux_stop(&guests[i].vm, 60), "stops when it is told", i);
	ok_is(vac_number("users"), 0, "no VM is left");
	ok_virt(0, "after the last VM");
	ok_errno(unload_instance(fix), "%s unloads", fix);
	ok_errno(unload_instance(new), "%s unloads", new);
	ok_errno(unload_instance(old), "%s unloads", old);
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	ok(!sys_there("/dev/kvm"), "no /dev/kvm is left");
	say("guests stopped, kvm-%s, kvm-%s, kvm-%s and vac unloaded; %s is off on all "
	    "CPUs, "
	    "/dev/kvm is gone",
	    fix, new, old, cpu_intel() ? "CR4.VMXE" : "EFER.SVME");
	return tap_end();
}
