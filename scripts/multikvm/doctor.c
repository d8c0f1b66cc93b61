// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor.c - what is wrong with this host, and what to type.
 *
 * A check is a function that adds nothing, or what it found with the next step. A change that was
 * left unfinished is undone by host_lock() before any of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "multikvm.h"

static void found(json_object *problems, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void found(json_object *problems, const char *next, const char *fmt, ...)
{
	json_object *one = json_object_new_object();
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	json_object_object_add(one, "problem", host_text(text));
	json_object_object_add(one, "next", host_text(next));
	json_object_array_add(problems, one);
	free(text);
}

static const char *item(json_object *list, size_t i)
{
	return json_object_get_string(json_object_array_get_idx(list, i));
}

/* Some kernel here has it from a package of modules. */
static bool is_prebuilt(const char *tag)
{
	json_object *kernels = host_names("/lib/modules");
	bool is = false;
	size_t i;

	for (i = 0; i < json_object_array_length(kernels); i++)
		is |= host_has("/lib/modules/%s/updates/multi-kvm/kvm-%s.ko",
			       item(kernels, i), tag);
	json_object_put(kernels);
	return is;
}

/* "kvm-TAG" as dpkg has it, which takes no "_". */
static const char *package_name(const char *tag, char *name, size_t size)
{
	char *at;

	snprintf(name, size, "kvm-%s", tag);
	for (at = name; *at; at++)
		*at = *at == '_' ? '-' : *at;
	return name;
}

/* Kernels that could be booted, and lack what is installed for others. */
static void check_kernels(json_object *problems)
{
	json_object *with = json_object_new_array(), *without = json_object_new_array();
	char *tag = boot_default(), next[300], name[40];
	size_t i;

	if (tag)
		boot_kernels(with, without, tag);
	for (i = 0; i < json_object_array_length(without); i++) {
		const char *kernel = item(without, i);

		if (is_prebuilt(tag)) {
			snprintf(next, sizeof(next), "sudo apt-get install %s-modules-%s",
				 package_name(tag, name, sizeof(name)), kernel);
			found(problems, next, "kernel %s has no kvm-%s, the default",
			      kernel, tag);
		} else if (!kernel_has_headers(kernel)) {
			snprintf(next, sizeof(next),
				 "sudo apt-get install linux-headers-%s", kernel);
			found(problems, next,
			      "kernel %s has no kvm-%s, the default, and its headers are "
			      "not "
			      "installed",
			      kernel, tag);
		} else {
			snprintf(next, sizeof(next), "sudo multikvm install --kernel %s",
				 kernel);
			found(problems, next, "kernel %s has no kvm-%s, the default",
			      kernel, tag);
		}
	}
	json_object_put(with);
	json_object_put(without);
	free(tag);
}

/* A full disk or a hand left something else under /lib/modules than what dkms has built. */
static void check_modules(json_object *problems)
{
	json_object *names = host_names("/var/lib/dkms"), *kernels;
	size_t i, k;
	char *bad, next[300];

	for (i = 0; i < json_object_array_length(names); i++) {
		const char *name = item(names, i);

		if (!package_is_vac(name) &&
		    (strncmp(name, "kvm-", 4) || !is_tag(name + 4)))
			continue;
		kernels = package_kernels(name);
		for (k = 0; k < json_object_array_length(kernels); k++) {
			bad = package_damaged(name, item(kernels, k));
			snprintf(next, sizeof(next), "sudo multikvm install --kernel %s",
				 item(kernels, k));
			if (bad)
				found(problems, next, "%s is not what was built", bad);
			free(bad);
		}
		json_object_put(kernels);
	}
	json_object_put(names);
}

static void check_default(json_object *problems)
{
	char *tag = boot_default(), *now = vac_default(), next[100];

	if (tag && !vac_has(tag)) {
		snprintf(next, sizeof(next), "sudo multikvm use %s", tag);
		found(problems, next, "the default, %s, is not loaded", tag);
	} else if (tag && (!now || strcmp(now, tag))) {
		snprintf(next, sizeof(next), "sudo multikvm use %s", now ? now : tag);
		found(problems, next, "new VMs go to %s, but after the next boot to %s",
		      now ? now : "nothing", tag);
	} else if (!tag && now) {
		snprintf(next, sizeof(next), "sudo multikvm use %s", now);
		found(problems, next,
		      "new VMs go to %s, but after the next boot to the stock "
		      "KVM",
		      now);
	}
	free(tag);
	free(now);
}

static void check_boot(json_object *problems)
{
	char *tag = boot_default();

	if (tag && host_has("/run/systemd/system") &&
	    !host_has("/etc/systemd/system/sysinit.target.wants/multi-kvm.service"))
		found(problems, "sudo systemctl enable multi-kvm",
		      "nothing loads %s at the next boot: multi-kvm.service is off", tag);
	if (!tag && host_has("/etc/modprobe.d/multi-kvm.conf"))
		found(problems, "sudo multikvm disable",
		      "the stock KVM is held back by /etc/modprobe.d/multi-kvm.conf, but "
		      "no "
		      "default is chosen");
	free(tag);
}

static void check_stock(json_object *problems)
{
	const char *stock = modules_stock();
	char *tag = boot_default(), next[100];
	json_object *holders = host_names("/sys/module/%s/holders",
					  stock ? stock : "kvm");
	long long users = host_number("/sys/module/%s/refcnt", stock ? stock : "kvm");

	if (host_has("/sys/module/kvmgt"))
		found(problems, "sudo modprobe -r kvmgt",
		      "KVMGT is loaded, which needs the stock KVM");
	snprintf(next, sizeof(next),
		 users > 0 ? "sudo fuser -v /dev/kvm" : "sudo multikvm use %s",
		 tag ? tag : "");
	if (tag && stock)
		found(problems, next, "the stock KVM is loaded (%s; users: %lld%s%s)",
		      stock, users, json_object_array_length(holders) ? ", module " : "",
		      json_object_array_length(holders) ? item(holders, 0) : "");
	json_object_put(holders);
	free(tag);
}

/* Another build is installed than the one that runs. */
static void check_waiting(json_object *problems)
{
	json_object *all = modules_waiting();
	char next[100];
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		const char *name = item(all, i);
		bool vac = !strcmp(name, "vac");

		snprintf(next, sizeof(next),
			 vac ? "nothing now: the next boot loads it"
			     : "sudo multikvm unload %s, when it has no VM; then load it",
			 name);
		found(problems, next,
		      "another %s%s is installed than the one that is loaded",
		      vac ? "" : "kvm-", name);
	}
	json_object_put(all);
}

/* Instances that the loaded vac refuses: it has another major version (vac/README.md, "interface"). */
static void check_interface(json_object *problems)
{
	json_object *tags = modules_installed();
	char *version = host_read("/sys/kernel/vac/version"), *wanted, name[40];
	size_t i;

	for (i = 0; version && i < json_object_array_length(tags); i++) {
		if (vac_has(item(tags, i)))
			continue;
		snprintf(name, sizeof(name), "kvm-%s", item(tags, i));
		wanted = module_field(name, "vac_interface");
		if (wanted && atoi(wanted) != atoi(version))
			found(problems,
			      "when there are no VMs: sudo multikvm disable, then use "
			      "what "
			      "was the default; or a reboot",
			      "%s wants vac %s, and the one that is loaded is %s", name,
			      wanted, version);
		free(wanted);
	}
	json_object_put(tags);
	free(version);
}

static void check_device(json_object *problems)
{
	char *path = host_path("/dev/kvm");
	struct stat node;
	struct group *kvm = getgrnam("kvm");

	if (path && vac_loaded() && !stat(path, &node) &&
	    ((node.st_mode & 0777) != 0660 || (kvm && node.st_gid != kvm->gr_gid)))
		found(problems, "sudo udevadm trigger --name-match=kvm",
		      "/dev/kvm has the mode %o and the group %u, not 0660 and kvm",
		      node.st_mode & 0777, node.st_gid);
	free(path);
}

static void check_options(json_object *problems)
{
	char *tag = boot_default();
	json_object *lost = tag && module_installed(tag) ? module_lost_options(tag)
							 : json_object_new_array();
	size_t i;

	for (i = 0; i < json_object_array_length(lost); i++)
		found(problems, "grep -r '^options kvm' /etc/modprobe.d /proc/cmdline",
		      "the site's option %s is without effect: kvm-%s has no such "
		      "parameter",
		      item(lost, i), tag);
	json_object_put(lost);
	free(tag);
}

static void check_signatures(json_object *problems)
{
	char *tag = boot_default(), name[40], *problem, *next;
	const char *modules[] = { "vac", name };
	size_t i;

	snprintf(name, sizeof(name), "kvm-%s", tag ? tag : "");
	for (i = 0; tag && module_installed(tag) && i < 2; i++) {
		if (!signature_problem(modules[i], &problem, &next))
			continue;
		found(problems, next, "%s", problem);
		free(problem);
		free(next);
	}
	free(tag);
}

static void (* const checks[])(json_object *) = {
	check_interface, check_kernels, check_modules, check_default, check_boot,
	check_stock,	 check_waiting, check_device,  check_options, check_signatures,
};

enum status do_doctor(int argc, char **argv)
{
	json_object *problems = json_object_new_array();
	enum status status;
	size_t i, n;

	if (argc != 1) {
		json_object_put(problems);
		return usage(argv[0]);
	}
	status = host_lock("doctor");
	if (!status)
		host_clean();
	for (i = 0; !status && i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](problems);
	n = json_object_array_length(problems);
	if (!status && !n)
		say("nothing is wrong");
	for (i = 0; !status && i < n; i++) {
		json_object *one = json_object_array_get_idx(problems, i);

		say("%s\n  next: %s",
		    json_object_get_string(json_object_object_get(one, "problem")),
		    json_object_get_string(json_object_object_get(one, "next")));
	}
	if (!status)
		status = report("problems", problems);
	else
		json_object_put(problems);
	return status ? status : n ? REFUSED : DONE;
}
