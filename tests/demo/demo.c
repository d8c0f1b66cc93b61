// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of the demo that runs inside the emulated machine, for tests/demo/run.
 *
 * usage: demo OLD NEW FIX PATCH	tags of three instances; FIX is OLD with PATCH
 *
 * It starts Linux guests, and beside each a small VM that shows a bug of OLD (../vm/guest/smm.h). In the
 * end one more of these goes from OLD to NEW and back as it runs.
 * Besides TAP it prints for run:
 *	# say: <text>	a line of the story
 *	# wait: <text>	what it waits for
 *	# row: <cells>	a row of the table at the end, cells separated by '|'
 */
#define _GNU_SOURCE
#include "../vm/guest/smm.h"
#include "../vm/lib/cpu.h"
#include "../vm/lib/instances.h"
#include "../vm/lib/mod.h"
#include "../vm/lib/sysfs.h"
#include "../vm/lib/tap.h"
#include "../vm/lib/tool.h"
#include "../vm/linux/linux.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BOOT_SECONDS 200
#define ROUNDS	     25
#define GUESTS	     4
#define LOOKS	     5

static const char *old, *new, *fix;
/* What firmware reaches on old, as the first VM shows; memory when that has the fix. */
static int bug = -1;

static struct guest {
	struct linux_guest vm;
	struct smm *smm; /* the small VM beside it */
	const char *tag; /* where both run, by what sysfs counted */
	int reach;	 /* what its firmware reached last */
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

static const char *reach_text(int reach)
{
	return reach == SMM_MEMORY   ? "its memory"
	       : reach == SMM_DEVICE ? "a device"
				     : "nothing";
}

/* What does the firmware in the VM beside the guest read? */
static void look(struct guest *g, const char *when)
{
	int want;

	g->reach = smm_look(g->smm);
	if (g->reach < 0)
		diag("say: %s", smm_why());
	else if (bug < 0)
		bug = g->reach;
	want = strcmp(g->tag, old) ? SMM_MEMORY : bug;
	ok(g->reach >= 0 && g->reach == want, "firmware on %s reads %s %s", g->tag,
	   reach_text(want), when);
}

/* The next guest and the VM beside it open /dev/kvm; `tag` must count them, and nobody else. */
static void start(const char *tag)
{
	struct guest *g = &guests[running];
	long long before = instance_number(tag, "vms");

	need_guest(linux_start(&g->vm, device_of(""), NULL), "starts", running);
	need(smm_start(&g->smm, device_of("")), "the VM beside guest %d starts",
	     running + 1);
	ok_is(instance_number_within(tag, "vms", before + 2, 30), before + 2,
	      "guest %d, and the VM beside it, are VMs of %s", running + 1, tag);
	g->tag = tag;
	running++;
	look(g, "from the start");
}

static void wait_up(int i)
{
	struct linux_guest *vm = &guests[i].vm;

	diag("wait: Linux boots on %s", guests[i].tag);
	need_guest(linux_wait_up(vm, BOOT_SECONDS), "reaches its init", i);
	need_guest(linux_advances(vm, ROUNDS, 60), "computes on its CPUs", i);
	ok_is(vm->cpus, LINUX_CPUS, "guest %d has all its CPUs", i + 1);
}

/* All guests that run go on as before. Returns the rounds that they did. */
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
		look(&guests[i], when);
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

static void row(int i)
{
	const struct linux_guest *vm = &guests[i].vm;
	char snapshot[40] = "?", patches[80] = "?";

	sys_read(snapshot, sizeof(snapshot), VAC "/instances/%s/snapshot", guests[i].tag);
	sys_read(patches, sizeof(patches), VAC "/instances/%s/patches", guests[i].tag);
	*strchrnul(patches, ':') = '\0';
	diag("row: %d|%s|%s|%s|%s|%lu s|%lu|%lu+%lu", i + 1, guests[i].tag, snapshot,
	     patches, reach_text(guests[i].reach), vm->uptime_ms / 1000, vm->beats,
	     vm->rounds[0], vm->rounds[1]);
}

static void choose(const char *tag)
{
	ok_errno(set_default(tag), "%s becomes the default", tag);
	ok(!strcmp(default_tag(), tag), "sysfs says that %s is the default", tag);
}

/* The default is another, and the next guest opens /dev/kvm. */
static void move(const char *why, const char *tag)
{
	choose(tag);
	start(tag);
	say("%s: echo %s > /sys/kernel/vac/default; guest %d opened /dev/kvm and runs on "
	    "%s; firmware there reads %s",
	    why, tag, running, tag, reach_text(guests[running - 1].reach));
}

/* A VM in a process of its own, which looks all the time. */
static struct carried {
	volatile bool stop;
	volatile unsigned long looks;
	volatile int reach;
	char why[200];
	pid_t pid;
	int start; /* a pipe */
} * carried;

static void carried_vmm(int start)
{
	struct smm *smm;
	char byte;
	int r = read(start, &byte, 1) == 1 ? smm_start(&smm, device_of(old)) : -EPIPE;

	while (r >= 0 && !carried->stop) {
		r = carried->reach = smm_look(smm);
		carried->looks++;
	}
	if (r < 0)
		snprintf(carried->why, sizeof(carried->why), "%s", smm_why());
	_exit(r < 0);
}

/* Before there is any other VM, whose files it would have as well. It waits. */
static void prepare_carried(void)
{
	int start[2];
	pid_t pid;

	carried = mmap(NULL, sizeof(*carried), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need(carried == MAP_FAILED ? -errno : 0, "memory");
	need(pipe(start) ? -errno : 0, "a pipe");
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(start[1]);
		carried_vmm(start[0]);
	}
	carried->pid = pid;
	close(start[0]);
	carried->start = start[1];
}

/* What its firmware reads from now on. */
static void look_at_carried(int want, const char *when)
{
	unsigned long from = carried->looks;
	double until = now() + 60;

	while (carried->looks < from + LOOKS && !*carried->why &&
	       !kill(carried->pid, 0) && now() < until)
		usleep(1000);
	ok(carried->looks >= from + LOOKS && carried->reach == want,
	   "one and the same VM's firmware reads %s %s %s", reach_text(want), when,
	   carried->why);
}

static void carry(const char *tag, int want, const char *when)
{
	char text[16];
	int status;

	snprintf(text, sizeof(text), "%d", carried->pid);
	status = tool("move", text, tag, "--max-pause", "5000");
	tool_said[strcspn(tool_said, "\n")] = '\0';
	ok(!status, "multikvm move takes it to %s: %s", tag, tool_said);
	look_at_carried(want, when);
	say("multikvm move %s %s: %s; firmware of the same VM now reads %s", text, tag,
	    tool_said, reach_text(carried->reach));
}

/* It has the bug, then not, then again, and never stops running. */
static void move_one(void)
{
	int status = -1;

	diag("wait: a running VM moves");
	need(write(carried->start, "", 1) == 1 ? 0 : -errno, "one more VM starts");
	look_at_carried(bug, "before it moves");
	carry(new, SMM_MEMORY, "after the move");
	carry(old, bug, "after the way back");
	carried->stop = true;
	waitpid(carried->pid, &status, 0);
	ok_is(status, 0, "it ends well %s", carried->why);
}

int main(int argc, char **argv)
{
	unsigned long rounds;
	double from;
	int i;

	if (argc != 5)
		return 1;
	old = argv[1];
	new = argv[2];
	fix = argv[3];

	prepare_carried();
	tool_folders();
	load_vac();
	load(old);
	ok(!strcmp(default_tag(), old), "%s, the first one loaded, is the default", old);
	load(new);

	from = now();
	start(old);
	say("guest 1 opened /dev/kvm and runs on %s; beside it a small VM, whose "
	    "firmware in "
	    "SMM reads %s",
	    old, reach_text(guests[0].reach));
	if (bug == SMM_MEMORY)
		say("the archive has no KVM that lacks the fix: there is no bug to see");
	move("upgrade", new);
	wait_up(0);
	wait_up(1);
	all_go_on("after the upgrade");
	say("Linux with 2 CPUs booted on %s and on %s at once, in %.0f s; guest 1 stays "
	    "on %s, "
	    "where firmware reads %s",
	    old, new, now() - from, old, reach_text(guests[0].reach));

	load(fix);
	ok_is(instance_patched(fix, argv[4]), bug == SMM_DEVICE,
	      "%s is in %s if %s lacks it", argv[4], fix, old);
	move("rollback", old);
	move("just the fix", fix);
	wait_up(2);
	wait_up(3);
	rounds = all_go_on("in the end");
	say("all four go on, each on its KVM, and did %lu rounds of work, none wrong; "
	    "virtualization is on for %lld VMs on %lld CPUs",
	    rounds, vac_number("users"), vac_number("enabled"));

	move_one();
	for (i = 0; i < running; i++)
		row(i);
	diag("wait: the guests stop");
	for (i = 0; i < running; i++)
		need_guest(linux_stop(&guests[i].vm, 60), "stops when it is told", i);
	for (i = 0; i < running; i++)
		smm_end(guests[i].smm);
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
