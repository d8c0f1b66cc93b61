// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: EPT, VPID and unrestricted guests are switched for each instance on its own, whatever
 * the other one beside it has, and two instances with different settings run guests at once.
 *
 * /sys/module/kvm_<tag>/parameters shows the setting of an instance; that it takes effect is read
 * from the hardware: the VPID in the VMCS that is current on the instance's CPU, the counts of EPT
 * violations and of intercepted page faults among its exits, and, for a guest in real mode,
 * HLT: where such a guest runs in virtual-8086 mode it is not allowed and exits as an exception.
 *
 * fails when: an instance is loaded with other parameters than the ones it is looked at for
 * (vpid=1 for vpid=0, ept=1 for ept=0, unrestricted_guest=1 for 0: each shows in its own line).
 *
 * only: intel
 * series: first
 */
#include <stdio.h>
#include <string.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define TRACE "/sys/kernel/tracing"

extern char __start_guest[];

struct setting {
	bool ept, vpid, unrestricted;
};

static const struct setting settings[][2] = {
	{ { false, false, false }, { true, true, true } },
	{ { true, true, false }, { true, false, true } },
	{ { true, false, true }, { false, true, false } },
};

static const char * const names[] = { "real-mode-io", "cpuid", "touch",
				      "debug-registers" };

static const char *text(const struct setting *s)
{
	static char buffer[2][60];
	static int i;

	i = !i;
	snprintf(buffer[i], sizeof(buffer[i]), "ept=%d vpid=%d unrestricted_guest=%d",
		 s->ept, s->vpid, s->unrestricted);
	return buffer[i];
}

static void load(const char *tag, const struct setting *s)
{
	char file[40];

	snprintf(file, sizeof(file), "kvm-%s", tag);
	need(mod_insert(file, text(s)), "%s loads with %s", tag, text(s));
}

static bool has(const char *tag, const char *name, bool on)
{
	char value[8] = "?";

	sys_read(value, sizeof(value), "/sys/module/kvm_%s/parameters/%s", tag, name);
	if (!strcmp(value, on ? "Y" : "N"))
		return true;
	diag("  %s of %s is %s", name, tag, value);
	return false;
}

static void say(const char *tag, const struct setting *s)
{
	bool ept = has(tag, "ept", s->ept), vpid = has(tag, "vpid", s->vpid);

	ok(has(tag, "unrestricted_guest", s->unrestricted) && ept && vpid,
	   "parameters of %s say so", tag);
}

/* ---- what the hardware does ------------------------------------------------------------ */

static void trace(const char *on)
{
	int t;

	if (*on == '1')
		fclose(fopen(TRACE "/trace", "we")); /* that empties it */
	for (t = 0; t < 2; t++)
		sys_write(on, TRACE "/events/kvm_%s/kvm_exit/enable", tags[t]);
}

/* Exits of an instance for a reason, among those in the trace buffer of its CPU. */
static int exits(int t, const char *reason)
{
	char path[80], line[400];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), TRACE "/per_cpu/cpu%d/trace", t);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "kvm_exit:") && strstr(line, reason))
			n++;
	if (f)
		fclose(f);
	return n;
}

/* Both run the payload at once, each on the CPU of its number. */
static void both(const struct setting *s, const char *name)
{
	const struct payload *p = payload_find(name);
	struct work *w[2];
	int t;

	for (t = 0; t < 2; t++)
		need(work_start(&w[t], device_of(tags[t]), p, 1,
				p->rounds < 100 ? 2 : 100, t),
		     "%s starts on %s", name, tags[t]);
	for (t = 0; t < 2; t++)
		if (!ok(!work_finish(w[t], 90), "%s runs on %s, %s", name, tags[t],
			text(&s[t])))
			diag("  %s", work_why());
}

/* While both run for ever, so that the CPU's VMCS is theirs. */
static void hardware(const struct setting *s)
{
	const struct payload *p = payload_find("touch");
	struct work *w[2];
	char tag[40];
	long long vpid;
	int t, faults, violations;

	trace("1");
	for (t = 0; t < 2; t++)
		need(work_start(&w[t], device_of(tags[t]), p, 1, 0, t),
		     "a guest of %s runs on CPU %d", tags[t], t);
	for (t = 0; t < 2; t++)
		if (!ok(!work_advances(w[t], 1, 60), "the guest of %s makes progress",
			tags[t]))
			diag("  %s", work_why());
	trace("0");
	for (t = 0; t < 2; t++) {
		vac_cpu_field(t, "instance", tag, sizeof(tag));
		vpid = vac_cpu_number(t, "vpid");
		ok(!strcmp(tag, tags[t]) && (s[t].vpid ? vpid > 0 : !vpid),
		   "the VMCS of %s on CPU %d has %s VPID (%s, %lld)", tags[t], t,
		   s[t].vpid ? "a" : "no", tag, vpid);
		violations = exits(t, "EPT_VIOLATION");
		faults = exits(t, "EXCEPTION_NMI");
		ok(s[t].ept ? violations > 0 && !faults : !violations && faults > 0,
		   "%s has %s (%d EPT violations, %d exceptions)", tags[t],
		   s[t].ept ? "EPT" : "shadow page tables", violations, faults);
	}
	for (t = 0; t < 2; t++)
		ok_errno(work_stop(w[t]), "the guest of %s stops", tags[t]);
}

/* HLT in real mode: to user space, by way of which exit? */
static void real_mode(const struct setting *s)
{
	int t, halts, exceptions;

	for (t = 0; t < 2; t++) {
		struct event e = { EV_ERROR, 0 };
		struct vcpu *v;
		struct vm *vm;

		cpu_pin(t);
		need(vm_create(&vm, device_of(tags[t]), 0), "%s makes a VM", tags[t]);
		need(vcpu_create(vm, &v), "%s makes a vCPU", tags[t]);
		need(vcpu_set_real(v, guest_real_io, 1), "it is in real mode");
		*(uint8_t *)vm_gpa(vm, CODE_GPA + (guest_real_io - __start_guest)) = 0xf4;
		trace("1");
		vcpu_run(v, &e);
		trace("0");
		halts = exits(t, "reason HLT");
		exceptions = exits(t, "EXCEPTION_NMI");
		ok(e.kind == EV_HLT, "a real-mode guest of %s halts", tags[t]);
		ok(s[t].unrestricted ? halts > 0 : !halts && exceptions > 0,
		   "%s in real mode (%d halts, %d exceptions)",
		   s[t].unrestricted ? "it was" : "it only seemed to be", halts,
		   exceptions);
		vm_destroy(vm);
	}
}

int main(void)
{
	unsigned int i, n;
	int t;

	load_vac();
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		for (t = 0; t < 2; t++)
			load(tags[t], &settings[i][t]);
		for (t = 0; t < 2; t++)
			say(tags[t], &settings[i][t]);
		for (n = 0; n < sizeof(names) / sizeof(names[0]); n++)
			both(settings[i], names[n]);
		hardware(settings[i]);
		real_mode(settings[i]);
		for (t = 0; t < 2; t++)
			ok_errno(unload_instance(tags[t]), "%s unloads", tags[t]);
	}
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
