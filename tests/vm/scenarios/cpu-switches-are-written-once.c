// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim, by what the code does, since the emulated CPUs have no TSC ratio, PMU and Processor Trace:
 *  - AMD: MSR_AMD64_TSC_RATIO is written whenever the ratio that is due differs from what the
 *    CPU has, whoever set it, and only then (hazard 10): the kernel's trace of MSR writes says so;
 *  - AMD: a guest of an instance that does not scale the TSC runs at 1.0, whatever ratio another's guest
 *    left (10): the same trace, and what vac believes;
 *  - AMD: the PMU, Intel: Processor Trace is switched to virtualization on each CPU once, with
 *    the first VM of all, and back once, with the last (hazard 17); and each instance with VMs
 *    hears of each CPU that comes, which is when it compensates for a TSC that went back (hazards
 *    2 and 23): the kernel's function tracer says so.
 *
 * fails when: vac does not remember the ratio or skips it (mutants ratio-forgotten, ratio-skipped),
 * leaves it to the next instance (ratio-left-to-the-next),
 * switches the PMU for each instance (pmu-for-each-instance) or Processor Trace never
 * (processor-trace-not-told), or tells the first instance only
 * (only-first-instance-hears).
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
#define CPUS  2

/* Only an open that truncates empties the trace. */
static void trace_begin(void)
{
	sys_write("0", TRACE "/tracing_on");
	fclose(fopen(TRACE "/trace", "we"));
	sys_write("1", TRACE "/tracing_on");
}

/* Lines of the trace that hold both words. */
static int traced(const char *one, const char *two)
{
	FILE *f = fopen(TRACE "/trace", "re");
	char line[256];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += line[0] != '#' && strstr(line, one) && strstr(line, two);
	if (f)
		fclose(f);
	return n;
}

static void tsc_ratio(void)
{
	need(sys_write("msr==0xc0000104", TRACE "/events/msr/write_msr/filter"),
	     "writes of the TSC ratio are filtered");
	need(sys_write("1", TRACE "/events/msr/write_msr/enable"), "and traced");
	trace_begin();
	need(mod_insert("vac-probe", ""), "ratios are set as by two instances");
	ok_is(traced("write_msr", "80000000"), 2,
	      "the first guest's ratio is written twice");
	ok_is(traced("write_msr", "c0000000"), 1, "the other's once, between them");
	ok_is(traced("write_msr", "100000000"), 1, "and 1.0 at the end");
	ok_is(traced("write_msr", ""), 4, "nothing else is written");
	ok_errno(mod_remove("vac-probe"), "the probe leaves");
}

/* The emulated CPU has no TSC ratio: every instance is one that does not scale. */
static void neutral_ratio(void)
{
	const struct payload *p = payload_find("compute");
	struct work *w, *other;
	char ratio[40];

	need(work_start(&other, "/dev/kvm-b", p, 1, 0, 1),
	     "a guest of b on CPU 1 keeps virtualization on");
	need(cpu_pin(0), "on CPU 0");
	need(mod_insert("vac-probe", "leave=1"), "a ratio is left as by another's guest");
	vac_cpu_field(0, "tsc_ratio", ratio, sizeof(ratio));
	need(strcmp(ratio, "80000000"), "vac knows of it");
	trace_begin();
	need(work_start(&w, "/dev/kvm-a", p, 1, 0, 0),
	     "a guest of a, which does not scale");
	need(work_advances(w, 5, 60), "runs there");
	ok_is(traced("write_msr", "100000000"), 1, "1.0 is written");
	ok_is(traced("write_msr", ""), 1, "once, and nothing else");
	vac_cpu_field(0, "tsc_ratio", ratio, sizeof(ratio));
	ok(!strcmp(ratio, "100000000"), "and vac knows of that");
	ok_errno(work_stop(w), "the guest of a stops");
	ok_errno(work_stop(other), "the guest of b stops");
	ok_errno(mod_remove("vac-probe"), "the probe leaves");
	sys_write("0", TRACE "/events/msr/write_msr/enable");
}

static void switches(void)
{
	const char *on = cpu_intel() ? "intel_pt_handle_vmx" : "amd_pmu_enable_virt";
	const char *off = cpu_intel() ? "intel_pt_handle_vmx" : "amd_pmu_disable_virt";
	const char *functions[] = { on, off };
	const struct payload *p = payload_find("compute");
	const char *hears;
	struct work *w[2];
	char name[64];
	int t;

	/* One name a write; each adds to those before. */
	for (t = 0; t < 2; t++)
		need(sys_write(functions[t], TRACE "/set_ftrace_filter"), "%s is chosen",
		     functions[t]);
	/* The instance's callback has another name from 6.12 on; a line that matches nothing fails. */
	hears = "kvm_arch_hardware_enable";
	if (sys_write("kvm_arch_hardware_enable*\n", TRACE "/set_ftrace_filter")) {
		hears = "kvm_arch_enable_virtualization_cpu";
		need(sys_write("kvm_arch_enable_virtualization_cpu*\n",
			       TRACE "/set_ftrace_filter"),
		     "%s is chosen", hears);
	}
	need(sys_write("function", TRACE "/current_tracer"), "and traced");
	trace_begin();
	need(work_start(&w[0], "/dev/kvm-a", p, 1, 0, 0), "a guest of a runs");
	ok_is(traced(on, ""), CPUS, "%s() once a CPU", on);
	need(work_start(&w[1], "/dev/kvm-b", p, 1, 0, 0), "a guest of b runs beside it");
	ok_is(traced(on, ""), CPUS, "and not again");
	trace_begin();
	ok_errno(cpu_online(1, 0), "CPU 1 goes");
	ok_is(traced(off, ""), 1, "%s() there", off);
	ok_errno(cpu_online(1, 1), "CPU 1 comes");
	for (t = 0; t < 2; t++) {
		snprintf(name, sizeof(name), "%s__%s", hears, tags[t]);
		ok_is(traced(name, ""), 1, "instance %s hears of it", tags[t]);
	}
	trace_begin();
	ok_errno(work_stop(w[0]), "the guest of a stops");
	ok_is(traced(off, ""), 0, "it stays switched for b");
	ok_errno(work_stop(w[1]), "the guest of b stops");
	ok_is(traced(off, ""), CPUS, "then it is switched back once a CPU");
	sys_write("nop", TRACE "/current_tracer");
	sys_write("\n", TRACE "/set_ftrace_filter");
}

int main(void)
{
	load_two();
	if (!cpu_intel()) {
		tsc_ratio();
		neutral_ratio();
	}
	switches();
	unload_two();
	return tap_end();
}
