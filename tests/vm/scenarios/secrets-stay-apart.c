// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: two guests of two instances that alternate on one CPU, 10,000 times and more, never
 * see a value of each other's or of the host's, and the host never sees one of theirs.
 *
 * Each guest keeps its own secrets in TSC_AUX (by RDTSCP and by RDMSR), EFER.SCE, STAR, LSTAR
 * and SFMASK (by RDMSR and by what a SYSCALL does), CSTAR, KERNEL_GS_BASE, FS and GS base,
 * XMM0-15, the x87 control word, DR0-3, DR7, the TSC offset and a page at the same virtual and
 * guest physical address, and looks at all of them each time the other had the CPU (hazards 4,
 * 5, 6, 7, 9, 11, 24). The host thread checks what it has
 * itself (host.h) after every KVM_RUN. They take turns in two ways: through
 * user space, one exit each; and inside the kernel, where a vCPU halts and the other one runs
 * and nobody returns to user space in between: there a stale user-return MSR would show. The
 * second is repeated with different TSC rates where the machine can scale (hazard 10).
 *
 * The emulator has no tagged TLB and no branch prediction: those two are checked by vac's counts in
 * debugfs vac/cpus.
 *
 * fails when: a guest's MSR is left in the host (mutant guest-msr-left-in-host), a write that is
 * due is skipped (stale-user-return-value), vac does not tell who was loaded before
 * (always-the-same-vcpu), or an instance goes by what it believes itself (naive
 * own-user-return-msrs, current-vmcs-believed).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "../guest/host.h"
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define TURNS 5500 /* of each guest */
#define HALTS scaled(1500)
#define CPU   0

/* How long a guest halts, in ticks of its local APIC: on Intel long enough to run the other. */
#define HALT_TICKS (cpu_intel() ? 500000 : 20000)

struct player {
	const char *tag;
	struct vm *vm;
	struct vcpu *v;
	pthread_t thread;
	sem_t *mine, *others;
	pthread_mutex_t still;
	int began, host_bad;
	struct event last;
};

static void *play(void *arg)
{
	struct player *p = arg;
	int i;

	cpu_pin(CPU);
	p->began = host_begin(p->tag, p->v->area->seed, &p->still);
	do {
		if (p->mine)
			while (sem_wait(p->mine))
				;
		vcpu_run(p->v, &p->last);
		if (p->others)
			sem_post(p->others);
	} while (p->last.kind == EV_SYNC);
	p->host_bad = host_end();
	/* If this guest ended too early, the other one must not wait for it. */
	for (i = 0; p->others && i < TURNS; i++)
		sem_post(p->others);
	return NULL;
}

static void prepare(struct player *p, const char *tag, uint64_t rounds, uint64_t mode)
{
	memset(p, 0, sizeof(*p));
	p->tag = tag;
	pthread_mutex_init(&p->still, NULL);
	need(vm_create(&p->vm, device_of(tag), mode ? VM_IRQCHIP : 0), "%s makes a VM",
	     tag);
	need(vcpu_create(p->vm, &p->v), "%s makes a vCPU", tag);
	need(vcpu_set_long(p->v, guest_secrets, rounds, mix(tag[0], mode)),
	     "%s is set up", tag);
	p->v->area->mode = mode;
	need(vcpu_set_tsc_offset(p->v, TSC_APART * (tag[0] - 'a' + 1)),
	     "%s has a TSC of its own", tag);
	p->v->enter = host_enter;
}

static void play_both(struct player p[2], const char *how)
{
	int t;

	for (t = 0; t < 2; t++)
		pthread_create(&p[t].thread, NULL, play, &p[t]);
	for (t = 0; t < 2; t++)
		pthread_join(p[t].thread, NULL);
	for (t = 0; t < 2; t++) {
		if (!ok(p[t].last.kind == EV_DONE,
			"guest of %s kept its secrets for %llu turns %s", p[t].tag,
			(unsigned long long)p[t].v->area->rounds, how))
			diag("  %s", event_text(p[t].v, &p[t].last));
		ok_errno(p[t].began, "its thread has values of its own");
		ok_is(p[t].host_bad, 0, "host of %s kept its own, %s", p[t].tag, how);
		vm_destroy(p[t].vm);
	}
}

/* How often vac saw a vCPU of another instance than before on the CPU. */
static long long changes(void)
{
	return vac_cpu_number(CPU, "other");
}

static void by_user_space(void)
{
	long long other[2], gen[2];
	struct player p[2];
	sem_t turn[2];
	int t;

	for (t = 0; t < 2; t++) {
		sem_init(&turn[t], 0, t == 0);
		prepare(&p[t], tags[t], TURNS, 0);
	}
	for (t = 0; t < 2; t++) {
		p[t].mine = &turn[t];
		p[t].others = &turn[!t];
	}
	other[0] = changes();
	gen[0] = vac_cpu_number(CPU, "asid_gen");
	play_both(p, "through user space");
	other[1] = changes();
	gen[1] = vac_cpu_number(CPU, "asid_gen");
	ok(other[1] - other[0] >= 10000, "vac saw %lld changes to somebody else",
	   other[1] - other[0]);
	if (cpu_intel())
		return;
	diag("ASID generation %lld, then %lld; next %lld of %lld", gen[0], gen[1],
	     vac_cpu_number(CPU, "next_asid"), vac_cpu_number(CPU, "max_asid"));
	ok(gen[0] > 0 && gen[1] >= gen[0], "the ASID generation never goes back");
	ok(vac_cpu_number(CPU, "next_asid") > 0 &&
		   vac_cpu_number(CPU, "next_asid") <=
			   vac_cpu_number(CPU, "max_asid") + 1,
	   "the next ASID is one that the CPU has");
}

static void by_halting(const char *how, int scale)
{
	long long other[2];
	struct player p[2];
	int t, khz;

	for (t = 0; t < 2; t++) {
		prepare(&p[t], tags[t], HALTS, HALT_TICKS);
		khz = vcpu_tsc_khz(p[t].v);
		if (scale && vcpu_set_tsc_khz(p[t].v, t ? khz / 2 : khz / 4 * 3)) {
			skip("this machine cannot scale the TSC", "%s: TSC rate of %s",
			     how, tags[t]);
			vm_destroy(p[t].vm);
			if (t)
				vm_destroy(p[0].vm);
			return;
		}
	}
	other[0] = changes();
	play_both(p, how);
	other[1] = changes();
	/* In most halts the interrupt is pending already and the vCPU does not schedule. */
	ok(other[1] - other[0] >= HALTS / 30, "vac saw %lld changes to somebody else",
	   other[1] - other[0]);
}

int main(void)
{
	uint64_t hsave;
	int t;

	load_two();
	for (t = 0; t < 2; t++) /* a halt in the kernel schedules, and does not poll */
		sys_write("0", "/sys/module/kvm_%s/parameters/halt_poll_ns", tags[t]);
	by_user_space();
	by_halting("halting in the kernel", 0);
	by_halting("at two TSC rates", 1);
	ok_virt(0, "after the last VM");
	if (!cpu_intel() && !cpu_read_msr(CPU, MSR_VM_HSAVE_PA, &hsave))
		diag("VM_HSAVE_PA is 0x%llx with no VM", (unsigned long long)hsave);
	unload_two();
	return tap_end();
}
