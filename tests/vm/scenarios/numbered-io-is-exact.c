// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a VMM whose every I/O has a number (guest/numbered.h) finds nothing wrong under the stock KVM
 * and under an instance, with one, two and four vCPUs, jailed or not. When one thing is done wrong, it
 * says what: each of its checks is seen to fail.
 *
 * The control for what moves such VMs: what fails here is not a mover's fault. On the Intel machine the
 * faults are made with "--arg faults" only; they are the VMM's own, and it is slow.
 *
 * fails when: a fault is made in a VM that is to pass (tried with an MSI sent again, a resampling lost and
 * a coalesced write lost); the VMM sends the next interrupt before the guest did a round (an irqfd written
 * again is not noticed); pins of the IOAPIC for two vCPUs have one vector (an EOI resamples both); or the
 * VMM raises KVM_IRQ_LINE again before it lowered it.
 *
 * series: first
 * test-all: amd
 */
#include <stdbool.h>
#include <string.h>

#include "../guest/numbered.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/tap.h"

#define ROUNDS	 12 /* in the tenth the ring of coalesced writes is full */
#define SECONDS	 60
#define PATIENCE 1
#define STILL	 2
#define AT_ONCE	 2 /* with eight the emulator stood still for up to 40 s, with two for 7 */

/* First those for which the VMM has to wait. Each with words of what it says. */
static const struct {
	enum numbered_fault fault;
	const char *made, *said;
} faults[] = {
	{ FAULT_IRQFD_LOST, "an irqfd is not written", "irqfd:" },
	{ FAULT_LEVEL_LOST, "an irqfd with resampling is not written",
	  "irqfd with resampling:" },
	{ FAULT_RESAMPLE_LOST, "a resampling is lost", "irqfd with resampling:" },
	{ FAULT_LINE_LOST, "a line is not raised", "KVM_IRQ_LINE:" },
	{ FAULT_MSI_LOST, "an MSI is not sent", "KVM_SIGNAL_MSI:" },
	{ FAULT_ONE_SHOT_LOST, "the one-shot timer is stopped", "timer, one-shot" },
	{ FAULT_DEADLINE_LOST, "the TSC deadline is taken away", "timer, TSC deadline" },
	{ FAULT_HALT, "a vCPU is not run", "stands still" },
	{ FAULT_PIO_OUT_LOST, "a port write is lost", "PIO out" },
	{ FAULT_PIO_OUT_TWICE, "a port write is taken twice", "PIO out" },
	{ FAULT_PIO_IN_TWICE, "a port read is answered as the last one", "PIO in" },
	{ FAULT_MMIO_WRITE_LOST, "an MMIO write is lost", "MMIO write" },
	{ FAULT_MMIO_WRITE_TWICE, "an MMIO write is taken twice", "MMIO write" },
	{ FAULT_MMIO_READ_TWICE, "an MMIO read is answered as the last one",
	  "MMIO read" },
	{ FAULT_MSR_WRITE_LOST, "an MSR write is lost", "MSR write" },
	{ FAULT_MSR_READ_TWICE, "an MSR read is answered as the last one", "MSR read" },
	{ FAULT_KICK_LOST, "an ioeventfd counts one less", "ioeventfd" },
	{ FAULT_KICK_TWICE, "an ioeventfd counts one more", "ioeventfd" },
	{ FAULT_COALESCED_LOST, "a coalesced write is lost", "coalesced" },
	{ FAULT_COALESCED_TWICE, "a coalesced write is taken twice", "coalesced" },
	{ FAULT_IRQFD_TWICE, "an irqfd is written again", "irqfd:" },
	{ FAULT_LEVEL_TWICE, "an irqfd with resampling is written again",
	  "irqfd with resampling:" },
	{ FAULT_RESAMPLE_TWICE, "a resampling counts twice", "irqfd with resampling:" },
	{ FAULT_LINE_TWICE, "a line is raised again", "KVM_IRQ_LINE:" },
	{ FAULT_MSI_TWICE, "an MSI is sent again", "KVM_SIGNAL_MSI:" },
	{ FAULT_TICK_TWICE, "the timer's vector comes without its timer", "timer ticks" },
	{ FAULT_TIMER_AGAIN, "the local APIC is set as it was read", "timer ticks" },
	{ FAULT_TSC_BACK, "the TSC is turned back", "TSC went back" },
	{ FAULT_CLOCK_BACK, "kvmclock is turned back", "kvmclock" },
	{ FAULT_FPU, "a bit of XMM5 changes", "FPU registers" },
	{ FAULT_FLAGS, "the carry flag changes", "flags" },
	{ FAULT_DEBUG, "a bit of DR2 changes", "debug registers" },
	{ FAULT_MSRS, "a bit of CSTAR changes", "MSRs" },
};
#define N_FAULTS (sizeof(faults) / sizeof(faults[0]))

static void run(const char *dev, int vcpus, unsigned int flags, const char *how)
{
	struct numbered_options o = { .dev = dev, .vcpus = vcpus, .flags = flags };
	struct numbered *n;
	int i;

	need(numbered_start(&n, &o), "a VMM starts");
	if (!ok(!numbered_runs(n, SECONDS) && !numbered_advances(n, ROUNDS, SECONDS),
		"%s: a VM of %d vCPU does its rounds%s", dev, vcpus, how))
		diag("  %s", numbered_why());
	for (i = 0; i < vcpus; i++)
		diag("  %s", numbered_text(n, i));
	if (!ok(!numbered_stop(n), "all that was sent has come, nothing twice"))
		diag("  %s", numbered_why());
}

static void run_all(const char *dev)
{
	run(dev, 1, 0, "");
	run(dev, 2, NUMBERED_SECCOMP | NUMBERED_CHROOT | NUMBERED_USER, ", jailed");
}

/* So many, from that one on, at once. */
static void are_noticed(const char *dev, unsigned int from, unsigned int count)
{
	struct numbered_options o = { .dev = dev, .vcpus = 1, .patience = PATIENCE };
	struct numbered *n[AT_ONCE];
	unsigned int i;

	for (i = 0; i < count; i++) {
		o.fault = faults[from + i].fault;
		o.still = o.fault == FAULT_HALT ? STILL : 0;
		need(numbered_start(&n[i], &o), "a VMM starts");
	}
	for (i = 0; i < count; i++) {
		const char *said = faults[from + i].said;
		bool failed = !numbered_fails(n[i], SECONDS);

		ok(failed && strstr(numbered_why(), said), "it is noticed that %s",
		   faults[from + i].made);
		diag("  %s", numbered_why());
		numbered_kill(n[i]);
	}
}

static void all_are_noticed(const char *dev)
{
	unsigned int from;

	for (from = 0; from < N_FAULTS; from += AT_ONCE)
		are_noticed(dev, from,
			    N_FAULTS - from < AT_ONCE ? N_FAULTS - from : AT_ONCE);
}

int main(int argc, char **argv)
{
	(void)argv;
	need(mod_insert_needed(), "what kvm needs loads");
	need(mod_insert("kvm", ""), "stock kvm loads");
	need(mod_insert(stock_module(), ""), "stock %s loads", stock_module());
	run_all("/dev/kvm");
	ok_errno(mod_remove_within(stock_module(), 5), "%s unloads", stock_module());
	ok_errno(mod_remove_within("kvm", 5), "kvm unloads");

	need(mod_insert("vac", ""), "vac loads");
	need(load_instance("a"), "instance a loads");
	run_all("/dev/kvm-a");
	run("/dev/kvm-a", 4, NUMBERED_DUP | NUMBERED_STATS, ", with more files");
	run("/dev/kvm-a", 2, NUMBERED_SPLIT | NUMBERED_SECCOMP | NUMBERED_STATS,
	    ", with a split irqchip");
	if (cpu_intel() && argc == 1)
		skip("--arg faults makes them here", "all faults are noticed");
	else
		all_are_noticed("/dev/kvm-a");
	ok_is(instance_number_within("a", "vms", 0, 5), 0, "a has no VM left");
	ok_errno(unload_instance("a"), "instance a unloads");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
	return tap_end();
}
