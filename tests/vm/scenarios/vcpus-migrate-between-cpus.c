// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a guest of instance a and one of instance b keep their secrets, and the threads that
 * run them their own registers, while both vCPUs are moved between two CPUs all the time, and a
 * third instance is loaded, runs a guest and is unloaded beside them.
 *
 * The secrets are those of secrets-stay-apart (payload guest_secrets), the host's are listed in
 * guest/host.h. The two take turns through user space, then in the kernel, where a vCPU halts.
 * Each move takes one vCPU, chosen by a number sequence, to the other CPU, possibly in the middle
 * of KVM_RUN: so each CPU remembers a vCPU that is elsewhere now, or whose instance runs another
 * vCPU (hazards 4, 6, 9, 16, 24).
 *
 * fails when: vac numbers the vCPUs of each instance by itself (mutant numbers-of-each-instance), or
 * leaves a guest's TSC_AUX in the host (mutant guest-aux-left-in-host). A thread without the MXCSR
 * that the check expects was noticed, too.
 *
 * only: intel
 * needs: 1 more instance
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../guest/host.h"
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define TURNS	   300 /* of each guest, at least */
#define MOVES	   20  /* of both, at least */
#define RELOADS	   1   /* in each of the two ways */
#define THIRD	   "c"
#define MOVE_AFTER 3 /* rounds */

struct player {
	const char *tag;
	struct vm *vm;
	struct vcpu *v;
	pthread_t thread;
	pthread_mutex_t still;
	sem_t *mine, *others;
	volatile bool ended;
	int began, host_bad, cpu;
	volatile unsigned int moves;
	struct event last;
};

static void *play(void *arg)
{
	struct player *p = arg;

	p->began = host_begin(p->tag, p->v->area->seed, &p->still);
	do {
		if (p->mine)
			while (sem_wait(p->mine) && !p->v->kicked)
				;
		vcpu_run(p->v, &p->last);
		if (p->others)
			sem_post(p->others);
	} while (p->last.kind == EV_SYNC);
	p->host_bad = host_end();
	p->ended = true;
	return NULL;
}

static void start(struct player *p, int t, int mode, sem_t *turn)
{
	pthread_attr_t attr;
	cpu_set_t set;

	memset(p, 0, sizeof(*p));
	p->tag = tags[t];
	pthread_mutex_init(&p->still, NULL);
	need(vm_create(&p->vm, device_of(p->tag), mode ? VM_IRQCHIP : 0), "%s makes a VM",
	     p->tag);
	need(vcpu_create(p->vm, &p->v), "%s makes a vCPU", p->tag);
	need(vcpu_set_long(p->v, guest_secrets, 0, mix(p->tag[0], mode)), "%s is set up",
	     p->tag);
	p->v->area->mode = mode;
	p->v->enter = host_enter;
	if (!mode) {
		p->mine = &turn[t];
		p->others = &turn[!t];
	}
	CPU_ZERO(&set);
	CPU_SET(p->cpu, &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	pthread_create(&p->thread, &attr, play, p);
}

static void move(struct player *p)
{
	cpu_set_t set;

	p->cpu = !p->cpu;
	CPU_ZERO(&set);
	CPU_SET(p->cpu, &set);
	pthread_mutex_lock(&p->still);
	if (!pthread_setaffinity_np(p->thread, sizeof(set), &set))
		p->moves++;
	pthread_mutex_unlock(&p->still);
	if (p->moves % 4 ==
	    0) /* to user space and back, where the host's values are checked */
		pthread_kill(p->thread, SIGUSR1);
}

static uint64_t progress(const struct player *p)
{
	return *(volatile uint64_t *)&p->v->area->progress;
}

struct mover {
	struct player *p;
	pthread_t thread;
};

/* Moves one of the two whenever it has made progress since the last move. */
static void *move_them(void *arg)
{
	struct player *p = ((struct mover *)arg)->p;
	uint64_t at[2] = { 0, 0 }, n = 0;

	while (!p[0].ended || !p[1].ended) {
		int t = mix(17, n++) & 1;

		if (!p[t].ended && progress(&p[t]) >= at[t] + MOVE_AFTER) {
			at[t] = progress(&p[t]);
			move(&p[t]);
		}
		usleep(300); /* rounds are counted in guest memory: nothing to wait for */
	}
	return NULL;
}

/* Loads, runs a guest and unloads the third instance while the two run; how often. */
static int reload_third(const struct player *p)
{
	int n = 0, err = 0;

	while (n < RELOADS && !err && !p[0].ended && !p[1].ended) {
		err = load_instance(THIRD);
		if (err)
			break;
		if (payload_run(device_of(THIRD), payload_find("fpu"), 1, 60)) {
			diag("  guest of %s: %s", THIRD, work_why());
			err = -EIO;
		}
		if (unload_instance(THIRD))
			err = -EBUSY;
		n += !err;
	}
	return n;
}

/* A thread that has ended found something wrong. */
static bool enough(const struct player p[2])
{
	return p[0].ended || p[1].ended ||
	       (progress(&p[0]) >= TURNS && p[0].moves >= MOVES &&
		progress(&p[1]) >= TURNS && p[1].moves >= MOVES);
}

static void stop(struct player *p)
{
	while (!p->ended) { /* again: a signal just before the system call is lost */
		vcpu_kick(p->v, p->thread);
		usleep(500);
	}
}

static long long changes(void)
{
	return vac_cpu_number(0, "other") + vac_cpu_number(1, "other");
}

static void play_both(int mode, const char *how)
{
	long long other = changes();
	struct player p[2];
	struct mover mover = { .p = p };
	sem_t turn[2];
	int t, n;

	for (t = 0; t < 2; t++)
		sem_init(&turn[t], 0, t == 0);
	for (t = 0; t < 2; t++)
		start(&p[t], t, mode, turn);
	pthread_create(&mover.thread, NULL, move_them, &mover);
	n = reload_third(p);
	while (!enough(p))
		usleep(1000);
	for (t = 0; t < 2; t++)
		stop(&p[t]);
	pthread_join(mover.thread, NULL); /* it names the threads of the players */
	for (t = 0; t < 2; t++)
		pthread_join(p[t].thread, NULL);

	for (t = 0; t < 2; t++) {
		ok_errno(p[t].began, "host of %s knows its own state", p[t].tag);
		if (!ok(p[t].last.kind == EV_KICKED,
			"guest of %s kept its secrets for %llu turns %s", p[t].tag,
			(unsigned long long)progress(&p[t]), how))
			diag("  %s", event_text(p[t].v, &p[t].last));
		ok_is(p[t].host_bad, 0, "host of %s kept its own, %s", p[t].tag, how);
		ok(p[t].moves >= MOVES, "%s moved to another CPU %u times", p[t].tag,
		   p[t].moves);
		vm_destroy(p[t].vm);
	}
	ok_is(n, RELOADS, "%s came, ran a guest and went meanwhile", THIRD);
	ok(changes() - other >= MOVES, "vac saw %lld changes to another instance",
	   changes() - other);
}

int main(void)
{
	int t;

	load_two();
	for (t = 0; t < 2; t++) /* a halt in the kernel schedules, and does not poll */
		sys_write("0", "/sys/module/kvm_%s/parameters/halt_poll_ns", tags[t]);
	play_both(0, "through user space");
	play_both(1, "halting in the kernel");
	ok_virt(0, "after the last VM");
	unload_two();
	return tap_end();
}
