// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: when the posted-interrupt wakeup vector comes, the blocked vCPU for which an interrupt was
 * posted wakes, whichever instance it belongs to, and no other does (hazard 14). It stays so when
 * the first instance to be loaded is unloaded, and when it comes back as the last.
 *
 * The emulated CPU has no posted interrupts. So /modules/raise-wakeup.ko raises the vector, and the
 * instances a and b are built with tests/vm/posted-interrupt.cocci: their blocked vCPUs wait on
 * the CPU's wakeup list as on hardware that has them, and posted_for says for which an interrupt
 * counts as posted. All vCPUs and this program are on CPU 1. So a vCPU that blocks is on the list
 * when we run, and whoever got a wakeup (halt_wakeup in its statistics) got it before we go on.
 *
 * modules: posted
 *
 * fails when: vac asks only the instance that was registered first, or only the last (mutants
 * pi-wakeup-asks-the-first, pi-wakeup-asks-the-last).
 *
 * only: intel
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../guest/vmm.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define VCPUS 2
#define CPU   1

static const char * const tag[2] = { "a", "b" };

static struct sleeper {
	struct vm *vm;
	struct one {
		struct vcpu *v;
		pthread_t thread;
		volatile pid_t tid;
		int stats;
	} one[VCPUS];
} sleepers[2];

/* A number of the statistics of a vCPU. */
static long long stat_of(int fd, const char *name)
{
	struct kvm_stats_header h;
	struct {
		struct kvm_stats_desc desc;
		char name[256];
	} d;
	uint64_t value;
	uint32_t i;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || h.name_size > sizeof(d.name))
		return -EPROTO;
	for (i = 0; i < h.num_desc; i++) {
		size_t size = sizeof(d.desc) + h.name_size;

		if (pread(fd, &d, size, h.desc_offset + i * size) != (ssize_t)size)
			return -EPROTO;
		if (strcmp(d.name, name))
			continue;
		if (pread(fd, &value, sizeof(value), h.data_offset + d.desc.offset) !=
		    sizeof(value))
			return -EPROTO;
		return value;
	}
	return -ENOENT;
}

static void *sleep_in_guest(void *arg)
{
	struct one *one = arg;
	struct vcpu *v = one->v;
	struct event e;

	cpu_pin(CPU);
	one->tid = gettid();
	do
		vcpu_run(v, &e);
	while (e.kind == EV_SYNC);
	if (e.kind != EV_KICKED)
		diag("  a vCPU ended: %s", event_text(v, &e));
	return NULL;
}

/* It sleeps in KVM, and has left its CPU, since this program runs there. */
static bool blocks(const struct one *one)
{
	char stat[200], *state;

	if (stat_of(one->stats, "blocking") != 1 ||
	    sys_read(stat, sizeof(stat), "/proc/self/task/%d/stat", one->tid))
		return false;
	state = strrchr(stat, ')');
	return state && state[2] == 'S';
}

static void all_block(void)
{
	time_t until = time(NULL) + patience(30);
	int t, i, n;

	do {
		usleep(1000); /* they may run */
		for (t = n = 0; t < 2; t++)
			for (i = 0; sleepers[t].vm && i < VCPUS; i++)
				n += !blocks(&sleepers[t].one[i]);
	} while (n && time(NULL) < until);
	if (n)
		need(-ETIMEDOUT, "all vCPUs block");
}

static void start(int t)
{
	struct sleeper *s = &sleepers[t];
	char file[40];
	int i;

	snprintf(file, sizeof(file), "kvm-%s", tag[t]);
	need(mod_insert(file, ""), "%s loads", tag[t]);
	need(vm_create(&s->vm, device_of(tag[t]), VM_IRQCHIP), "%s makes a VM", tag[t]);
	for (i = 0; i < VCPUS; i++) {
		need(vcpu_create(s->vm, &s->one[i].v), "%s makes a vCPU", tag[t]);
		need(vcpu_set_long(s->one[i].v, guest_irq, 1, 1), "its guest is set up");
		s->one[i].stats = ioctl(s->one[i].v->fd, KVM_GET_STATS_FD, NULL);
		need(s->one[i].stats < 0 ? -errno : 0, "it has statistics");
		need(-pthread_create(&s->one[i].thread, NULL, sleep_in_guest, &s->one[i]),
		     "its thread starts");
	}
}

static void end(int t)
{
	struct sleeper *s = &sleepers[t];
	int i;

	for (i = 0; i < VCPUS; i++) {
		/* Again and again: a signal before the ioctl is lost. */
		while (pthread_tryjoin_np(s->one[i].thread, NULL)) {
			vcpu_kick(s->one[i].v, s->one[i].thread);
			usleep(500);
		}
		close(s->one[i].stats);
	}
	vm_destroy(s->vm);
	s->vm = NULL;
	ok_errno(unload_instance(tag[t]), "%s unloads", tag[t]);
}

/* How often the vector came to a CPU: the line "PIW:" of /proc/interrupts. */
static long long vectors(int cpu)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char line[300];
	long long n[2] = { -1, -1 };

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " PIW: %lld %lld", &n[0], &n[1]) == 2)
			break;
	if (f)
		fclose(f);
	return n[cpu];
}

static void post(int t, int vcpu)
{
	char text[20];

	snprintf(text, sizeof(text), "%d", vcpu);
	need(sys_write(text, "/sys/module/kvm_%s/parameters/posted_for", tag[t]),
	     "an interrupt is posted");
}

/* Raises the vector on `cpu`; how many vCPUs wake that must not, or do not wake that must? */
static int raise_once(int cpu, int t, int vcpu)
{
	long long before[2][VCPUS] = { 0 }, came = vectors(cpu);
	char text[20];
	int u, i, wrong = 0;

	all_block();
	for (u = 0; u < 2; u++)
		for (i = 0; sleepers[u].vm && i < VCPUS; i++)
			before[u][i] = stat_of(sleepers[u].one[i].stats, "halt_wakeup");
	snprintf(text, sizeof(text), "%d", cpu);
	need(sys_write(text, "/sys/module/raise_wakeup/parameters/on"),
	     "the vector is raised on CPU %d", cpu);
	while (vectors(cpu) == came)
		sched_yield();
	for (u = 0; u < 2; u++) {
		for (i = 0; sleepers[u].vm && i < VCPUS; i++) {
			long long n = stat_of(sleepers[u].one[i].stats, "halt_wakeup") -
				      before[u][i];

			if (n != (u == t && i == vcpu)) {
				diag("  vCPU %d of %s woke %lld times", i, tag[u], n);
				wrong++;
			}
		}
	}
	return wrong;
}

/*
 * t is -1 if it must be nobody. Now and then vCPUs wake for reasons of their own; what the
 * vector does it does each time.
 */
static void raise_for(int cpu, int t, int vcpu, const char *what)
{
	int i, wrong = 1;

	for (i = 0; i < 3 && wrong; i++)
		wrong = raise_once(cpu, t, vcpu);
	ok(!wrong, "%s", what);
}

static void each_wakes(const char *when)
{
	char what[120];
	int t, i;

	for (t = 0; t < 2; t++) {
		for (i = 0; sleepers[t].vm && i < VCPUS; i++) {
			post(t, i);
			snprintf(what, sizeof(what),
				 "vCPU %d of %s wakes, nobody else, %s", i, tag[t], when);
			raise_for(CPU, t, i, what);
			raise_for(!CPU, -1, 0, "nobody wakes by that of another CPU");
			post(t, -1);
			raise_for(CPU, -1, 0, "nobody wakes for whom nothing is posted");
		}
	}
}

int main(void)
{
	load_vac();
	need(mod_insert("raise-wakeup", ""), "the vector can be raised");
	need(cpu_pin(CPU), "CPU %d can be chosen", CPU);
	start(0);
	start(1);
	each_wakes("with both");
	end(0);
	each_wakes("with the second alone");
	start(0);
	each_wakes("with the first as the last");
	end(1);
	end(0);
	ok_errno(mod_remove("raise-wakeup"), "the module leaves");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
