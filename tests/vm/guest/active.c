// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"
#include "active.h"
#include "vmm.h"
#include "work.h"

#define EACH 2

static void enter(struct active *a, struct vm *vm, const char *tag, int cpu)
{
	struct event e;
	struct vcpu *v;
	char text[40];
	int i;

	need(cpu_pin(cpu), "CPU %d can be chosen", cpu);
	need(vcpu_create(vm, &v), "%s makes a vCPU", tag);
	need(vcpu_set_long(v, guest_fpu, 0, 1), "its guest is set up");
	vcpu_run(v, &e);
	if (e.kind != EV_SYNC)
		need(-EIO, "it runs: %s", event_text(v, &e));
	/* No other vCPU ran here since: its VMCS is the current one. */
	need(vac_cpu_field(cpu, "vmcs", text, sizeof(text)),
	     "vac shows the VMCS of CPU %d", cpu);
	a->cpu[a->n] = cpu;
	a->of[a->n] = tag;
	a->vmcs[a->n] = strtoull(text, NULL, 16);
	for (i = 0; i < a->n; i++)
		if (a->vmcs[i] == a->vmcs[a->n])
			need(-EEXIST, "VMCS %d is another than VMCS %d", a->n, i);
	diag("  VMCS %d: CPU %d, %s, %llx", a->n, cpu, tag, a->vmcs[a->n]);
	a->n++;
}

void active_make(struct active *a)
{
	int cpu, t, i;

	a->n = 0;
	for (t = 0; t < 2; t++)
		need(vm_create(&a->vm[t], device_of(tags[t]), 0), "%s makes a VM",
		     tags[t]);
	for (i = 0; i < EACH; i++)
		for (cpu = 0; cpu < cpu_count(); cpu++)
			for (t = 0; t < 2; t++)
				enter(a, a->vm[t], tags[t], cpu);
}

const char *active_params(const struct active *a, const char *more)
{
	static char text[1000];
	int i, n = snprintf(text, sizeof(text), "%s", more);

	for (i = 0; i < a->n; i++)
		n += snprintf(text + n, sizeof(text) - n, "%s%d",
			      i ? "," : " cpu=", a->cpu[i]);
	for (i = 0; i < a->n; i++)
		n += snprintf(text + n, sizeof(text) - n, "%s0x%llx",
			      i ? "," : " vmcs=", a->vmcs[i]);
	for (i = 0; i < a->n; i++)
		n += snprintf(text + n, sizeof(text) - n, "%s%s",
			      i ? "," : " of=", a->of[i]);
	return text;
}

void active_end(struct active *a)
{
	vm_destroy(a->vm[0]);
	vm_destroy(a->vm[1]);
}

void active_run(void)
{
	struct work *w;
	int cpu, t;

	for (t = 0; t < 2; t++) {
		for (cpu = 0; cpu < cpu_count(); cpu++) {
			need(work_start(&w, device_of(tags[t]), payload_find("mix"), 1, 0,
					cpu),
			     "a guest of %s starts on CPU %d", tags[t], cpu);
			if (!ok(!work_advances(w, 2, 60), "a guest of %s runs on CPU %d",
				tags[t], cpu))
				diag("  %s", work_why());
		}
	}
}
