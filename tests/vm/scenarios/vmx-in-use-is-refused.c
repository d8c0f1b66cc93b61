// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: where another hypervisor has VMX on already, on whichever CPU, vac does not load: it says
 * so in one line that names the CPU, and changes nothing, neither on that CPU nor on the other, nor
 * in what the kernel has once: the stock KVM finds all of it free. If the other is loaded after vac,
 * the first VM is refused, and no CPU keeps VMX on. When it is unloaded, guests run.
 *
 * /modules/hold-vmx.ko is the other hypervisor. It holds VMX by VMXON with a region of its own, and
 * complains when VMX is not on any more at its end.
 *
 * fails when: vac's check of CR4 at load, or the one before VMXON, sees nothing
 * (mutants vmx-in-use-is-overlooked, vmx-in-use-is-taken-over).
 *
 * only: intel
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static void vmx_is(int want0, int want1, const char *when)
{
	int is0 = cpu_virt(0), is1 = cpu_virt(1);

	if (!ok(is0 == want0 && is1 == want1, "VMX is %s on CPU 0, %s on CPU 1, %s",
		want0 ? "on" : "off", want1 ? "on" : "off", when))
		diag("  %d %d", is0, is1);
}

static void says_once(struct klog *log, const char *words)
{
	const char *line = klog_find(log, words);

	if (line)
		diag("  %s", line);
	if (!ok_is(klog_count(log, "vac:"), 1, "it says why in one line (%s)", words))
		klog_show(log);
	ok(line, "that names it");
	klog_end(log);
}

static void vac_is_refused(int cpu)
{
	char params[20], words[60];
	struct klog log;

	snprintf(params, sizeof(params), "cpu=%d", cpu);
	snprintf(words, sizeof(words), "vac: refused VMX on already (CPU %d)", cpu);
	need(mod_insert("hold-vmx", params), "somebody takes VMX on CPU %d", cpu);
	vmx_is(cpu == 0, cpu == 1, "then");
	need(klog_mark(&log), "the kernel log is marked");
	ok_refused(mod_insert("vac", ""), EALREADY, "vac does not load");
	says_once(&log, words);
	ok(!sys_there(VAC) && !sys_there("/dev/kvm") && !mod_loaded("vac"),
	   "it leaves nothing");
	vmx_is(cpu == 0, cpu == 1, "as before");
	ok_errno(mod_remove("hold-vmx"), "the other leaves");
	vmx_is(0, 0, "then");
}

static void runs(const char *dev)
{
	if (!ok(!payload_run(dev, payload_find("io"), 2, 60), "a guest runs on %s", dev))
		diag("  %s", work_why());
}

static void vm_is_refused(void)
{
	struct klog log;
	struct vm *vm;

	need(mod_insert("vac", ""), "vac loads");
	need(load_instance("a"), "instance a loads");
	need(mod_insert("hold-vmx", "cpu=1"), "somebody takes VMX on CPU 1");
	need(klog_mark(&log), "the kernel log is marked");
	ok_refused(vm_create(&vm, device_of("a"), 0), EIO, "a VM is refused");
	says_once(&log, "vac: VMX on already CPU 1");
	vmx_is(0, 1, "as before");
	ok_is(vac_number("enabled"), 0, "vac has it on nowhere");
	ok_is(vac_number("users"), 0, "vac counts no VM");
	ok_errno(mod_remove("hold-vmx"), "the other leaves");
	vmx_is(0, 0, "then");
	runs(device_of("a"));
	vmx_is(0, 0, "after its VM");
	ok_errno(unload_instance("a"), "instance a unloads");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
}

int main(void)
{
	need(mod_insert_needed(), "what modules need loads");
	vmx_is(0, 0, "at first");
	vac_is_refused(1);
	vac_is_refused(0);
	need(mod_insert("kvm", ""), "the stock kvm loads");
	need(mod_insert("kvm-intel", ""), "the stock kvm-intel loads");
	runs("/dev/kvm");
	ok_errno(mod_remove_within("kvm-intel", 5), "kvm-intel unloads");
	ok_errno(mod_remove_within("kvm", 5), "kvm unloads");
	vm_is_refused();
	return tap_end();
}
