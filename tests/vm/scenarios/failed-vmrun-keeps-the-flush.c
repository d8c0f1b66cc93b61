// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a new generation of ASIDs begins with a flush even if the VMRUN that was to do it fails, which
 * anybody who may open the device can cause (hazard 7). The flush stays pending on the CPU: the first
 * VMRUN that succeeds does it, of the instance that failed or of another. Tried with a and b in both
 * roles, of which a KVM may remember such a flush itself or not (6.12), and with two instances of
 * one release. The emulator's TLB has no tags, so this looks at what vac gave out.
 *
 * fails when: instances do not tell of the failure (naive a-failure-is-not-told), or vac does nothing
 * about it (mutant flush-is-forgotten).
 *
 * only: amd
 * needs: 1 more instance
 */
#include <stdio.h>
#include <string.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define CPU   0
#define TRACE "/sys/kernel/tracing"

struct alloc {
	char tag[25];
	unsigned long long generation;
	unsigned int asid, flush;
};

/* Only an open that truncates empties the trace. */
static void forget(void)
{
	fclose(fopen(TRACE "/trace", "we"));
}

/* The n-th ASID, from 0, that was given out since forget(). */
static bool traced(int n, struct alloc *a)
{
	FILE *f = fopen(TRACE "/per_cpu/cpu0/trace", "re");
	bool found = false;
	char line[256];

	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *what = strstr(line, "vac_svm_asid_alloc: ");

		found = line[0] != '#' && what && !n-- &&
			sscanf(what,
			       "vac_svm_asid_alloc: instance %24s generation %llu asid "
			       "%u flush %u",
			       a->tag, &a->generation, &a->asid, &a->flush) == 4;
	}
	if (f)
		fclose(f);
	return found;
}

static void restore(struct vcpu *v)
{
	need(vcpu_set_long(v, payload_find("touch")->fn, 100, 1),
	     "the guest is at its beginning");
}

static struct vcpu *vcpu_of(const char *tag, struct vm **vm)
{
	struct vcpu *v;

	need(vm_create(vm, device_of(tag), 0), "%s makes a VM", tag);
	need(vcpu_create(*vm, &v), "with a vCPU");
	restore(v);
	return v;
}

/* KVM_SET_SREGS takes CS.L with CS.D in long mode, VMRUN does not (APM volume 2, 15.5.1). */
static void spoil(struct vcpu *v)
{
	struct kvm_sregs sregs;

	need(vcpu_get_sregs(v, &sregs), "segments are read");
	sregs.cs.db = 1;
	need(vcpu_set_sregs(v, &sregs), "CS.D is set beside CS.L");
}

static void fails(struct vcpu *v, const char *tag, int *seen)
{
	struct event e;
	struct alloc a;

	vcpu_run(v, &e);
	ok_is(v->run->exit_reason, KVM_EXIT_FAIL_ENTRY, "%s: VMRUN fails", tag);
	ok(traced(*seen, &a) && !strcmp(a.tag, tag) && a.flush,
	   "it was to begin a generation with a flush");
	++*seen;
}

static void succeeds(struct vcpu *v, const char *tag, int *seen)
{
	struct event e;
	struct alloc a;

	vcpu_run(v, &e);
	if (!ok(e.kind == EV_SYNC, "%s: VMRUN succeeds", tag))
		diag("  %s", event_text(v, &e));
	if (!ok(traced(*seen, &a) && !strcmp(a.tag, tag) && a.flush,
		"and flushes, as the first on this CPU that does"))
		diag("  ASID %d since virtualization came on: %s flush %u", *seen, a.tag,
		     a.flush);
	++*seen;
}

static void quiet(struct vcpu *v, const char *tag, int seen)
{
	struct event e;
	struct alloc a;

	vcpu_run(v, &e);
	ok(e.kind == EV_SYNC && (!traced(seen, &a) || !a.flush),
	   "%s: the next one need not", tag);
}

/* Virtualization comes on with the first VM: the next ASID on this CPU begins a generation. */
static void roles(const char *failing, const char *other)
{
	struct vm *vm[2];
	struct vcpu *v[2];
	int seen = 0;

	diag("%s fails, %s runs beside it", failing, other);
	v[0] = vcpu_of(failing, &vm[0]);
	v[1] = vcpu_of(other, &vm[1]);
	forget();
	spoil(v[0]);
	fails(v[0], failing, &seen);
	fails(v[0], failing, &seen);
	succeeds(v[1], other, &seen);
	quiet(v[1], other, seen);
	vm_destroy(vm[1]);
	vm_destroy(vm[0]);

	/* The vCPU that failed may be the first to succeed. */
	v[0] = vcpu_of(failing, &vm[0]);
	v[1] = vcpu_of(other, &vm[1]);
	forget();
	seen = 0;
	spoil(v[0]);
	fails(v[0], failing, &seen);
	restore(v[0]); /* the emulator saves into the VMCB what it refused */
	succeeds(v[0], failing, &seen);
	vcpu_run(v[1], &(struct event){ 0 });
	vm_destroy(vm[1]);
	vm_destroy(vm[0]);
}

int main(void)
{
	load_two();
	need(load_instance("c"), "instance c is a's release once more");
	need(cpu_pin(CPU), "on CPU %d", CPU);
	need(sys_write("1", TRACE "/events/vac/vac_svm_asid_alloc/enable"),
	     "vac is traced");
	roles("a", "b");
	roles("b", "a");
	roles("a", "c");
	sys_write("0", TRACE "/events/vac/vac_svm_asid_alloc/enable");
	ok_errno(unload_instance("c"), "instance c is unloaded");
	unload_two();
	return tap_end();
}
