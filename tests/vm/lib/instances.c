// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cpu.h"
#include "instances.h"
#include "mod.h"
#include "sysfs.h"
#include "tap.h"

const char * const tags[2] = { "a", "b" };

void load_vac(void)
{
	need(mod_insert_needed(), "what modules need loads");
	need(mod_insert("vac", ""), "vac loads");
}

int load_instance(const char *tag)
{
	char file[40];

	snprintf(file, sizeof(file), "kvm-%s", tag);
	return mod_insert(file, "");
}

int unload_instance(const char *tag)
{
	char file[40];

	snprintf(file, sizeof(file), "kvm-%s", tag);
	return mod_remove_within(file, 5);
}

void load_two(void)
{
	load_vac();
	need(load_instance("a"), "instance a loads");
	need(load_instance("b"), "instance b loads");
}

void unload_two(void)
{
	ok_errno(unload_instance("a"), "instance a unloads");
	ok_errno(unload_instance("b"), "instance b unloads");
	ok_errno(mod_remove_within("vac", 5), "vac unloads");
}

const char *device_of(const char *tag)
{
	static __thread char path[2][40];
	static __thread int i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "/dev/kvm%s%s", *tag ? "-" : "", tag);
	return path[i];
}

long long vac_number(const char *file)
{
	return sys_read_number(VAC "/%s", file);
}

long long instance_number(const char *tag, const char *file)
{
	return sys_read_number(VAC "/instances/%s/%s", tag, file);
}

long long instance_number_within(const char *tag, const char *file, long long want,
				 int seconds)
{
	long long n = instance_number(tag, file);
	int i;

	for (i = 0; i < patience(seconds) * 100 && n != want; i++) {
		usleep(10000);
		n = instance_number(tag, file);
	}
	return n;
}

int instance_patched(const char *tag, const char *patch)
{
	char patches[400], *name, *save;
	int r = sys_read(patches, sizeof(patches), VAC "/instances/%s/patches", tag);

	if (r)
		return r;
	for (name = strtok_r(patches, ",", &save); name;
	     name = strtok_r(NULL, ",", &save)) {
		*strchrnul(name, ':') = '\0'; /* its digest follows */
		if (!strcmp(name, patch))
			return 1;
	}
	return 0;
}

const char *default_tag(void)
{
	static char tag[40];

	if (sys_read(tag, sizeof(tag), VAC "/default"))
		strcpy(tag, "?");
	return tag;
}

int set_default(const char *tag)
{
	return sys_write(tag, VAC "/default");
}

void ok_virt(int on, const char *when)
{
	int cpu, n = 0, cpus = cpu_count(), seen;

	for (cpu = 0; cpu < cpus; cpu++) {
		seen = cpu_virt(cpu);
		if (seen < 0)
			diag("  cpu %d: cannot tell: %s", cpu, strerror(-seen));
		n += seen == 1;
	}
	ok_is(n, on ? cpus : 0, "virtualization is %s on all CPUs %s", on ? "on" : "off",
	      when);
	ok_is(vac_number("enabled"), on ? cpus : 0, "vac says so too, %s", when);
}
