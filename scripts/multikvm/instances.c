// SPDX-License-Identifier: GPL-2.0-only
/*
 * instances.c - which instances there are, and which one new VMs get.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "multikvm.h"

/* Those that are loaded, and those that are only installed, in the order of their tags. */
static json_object *all_instances(void)
{
	json_object *all = vac_instances(), *installed = modules_installed();
	size_t i;

	for (i = 0; i < json_object_array_length(installed); i++) {
		const char *tag = json_object_get_string(
			json_object_array_get_idx(installed, i));
		json_object *one;

		if (vac_has(tag))
			continue;
		one = module_info(tag);
		json_object_object_add(one, "tag", json_object_new_string(tag));
		json_object_object_add(one, "loaded", json_object_new_boolean(false));
		json_object_array_add(all, one);
	}
	json_object_put(installed);
	return all;
}

static void add_chosen(json_object *one)
{
	char *when = history_when(
		json_object_get_string(json_object_object_get(one, "tag")));

	json_object_object_add(one, "chosen", host_text(when));
	free(when);
}

static int by_tag(const void *a, const void *b)
{
	return strcmp(json_object_get_string(
			      json_object_object_get(*(json_object * const *)a, "tag")),
		      json_object_get_string(
			      json_object_object_get(*(json_object * const *)b, "tag")));
}

enum status do_list(int argc, char **argv)
{
	static const struct column columns[] = {
		{ "tag", "TAG", false },	 { "loaded", "LOADED", false },
		{ "default", "DEFAULT", false }, { "closed", "CLOSED", false },
		{ "vms", "VMS", true },		 { "vcpus", "VCPUS", true },
		{ "chosen", "CHOSEN", false },	 { "snapshot", "KVM OF", false },
		{ "patches", "PATCHES", false }, { NULL, NULL, false },
	};
	json_object *all;
	size_t i;

	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--names")))
		return usage(argv[0]);
	all = all_instances();
	json_object_array_sort(all, by_tag);
	for (i = 0; i < json_object_array_length(all); i++)
		add_chosen(json_object_array_get_idx(all, i));
	if (argc == 1)
		return report_rows("instances", columns, all);
	for (i = 0; i < json_object_array_length(all); i++)
		puts(json_object_get_string(json_object_object_get(
			json_object_array_get_idx(all, i), "tag")));
	json_object_put(all);
	return report_end();
}

/* vac makes a tag the default again that was the last one written, and the first of all. */
static void say_default(const char *tag)
{
	char *now = vac_default();

	if (now && !strcmp(now, tag))
		say("  new VMs go to it");
	free(now);
}

enum status do_load(int argc, char **argv)
{
	const char *tag = only_tag(argc, argv);
	enum status status;

	if (!tag)
		return USAGE;
	if (vac_has(tag)) {
		say("%s is loaded", tag);
		return report_done(vac_instance(tag));
	}
	status = host_lock("load");
	if (!status)
		status = module_load(tag);
	if (status)
		return status;
	say("loaded %s; its device is /dev/kvm-%s", tag, tag);
	say_default(tag);
	return report_done(vac_instance(tag));
}

/* With the first few of their processes. */
static enum status refuse_busy(const char *tag, long long count)
{
	json_object *vms = vac_vms(tag), *pid;
	size_t i, n = json_object_array_length(vms);
	char pids[160] = "";

	for (i = 0; i < n && strlen(pids) < sizeof(pids) - 16; i++) {
		pid = json_object_object_get(json_object_array_get_idx(vms, i), "pid");
		if (pid)
			snprintf(pids + strlen(pids), sizeof(pids) - strlen(pids), " %s",
				 json_object_get_string(pid));
	}
	json_object_put(vms);
	return fail(REFUSED,
		    "%s has %lld VM%s\nmade by the processes%s%s\nnext: multikvm ps %s",
		    tag, count, count == 1 ? "" : "s", *pids ? pids : " ?",
		    i < n ? " ..." : "", tag);
}

enum status refuse_vms(const char *tag)
{
	long long vms = host_number("/sys/kernel/vac/instances/%s/vms", tag);

	return vms > 0 ? refuse_busy(tag, vms) : DONE;
}

enum status do_unload(int argc, char **argv)
{
	const char *tag = only_tag(argc, argv);
	json_object *done;
	enum status status;

	if (!tag)
		return USAGE;
	status = host_lock("unload");
	if (status)
		return status;
	if (!vac_has(tag))
		return fail(NOT_FOUND, "%s is not loaded\nnext: multikvm list", tag);
	status = refuse_vms(tag);
	if (status)
		return status;
	done = vac_instance(tag);
	status = module_unload(tag);
	if (status) {
		json_object_put(done);
		return status;
	}
	say("unloaded %s", tag);
	if (json_object_get_boolean(json_object_object_get(done, "default")))
		say("  it was the default: until another is chosen /dev/kvm cannot be "
		    "opened\n"
		    "  next: multikvm use TAG");
	json_object_object_add(done, "loaded", json_object_new_boolean(false));
	json_object_object_add(done, "default", json_object_new_boolean(false));
	return report_done(done);
}

/* Those that have VMs and are not the one that new VMs get. */
static void say_who_stays(const char *tag)
{
	json_object *all = vac_instances();
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		json_object *one = json_object_array_get_idx(all, i);
		const char *other = json_object_get_string(
			json_object_object_get(one, "tag"));
		long long vms = json_object_get_int64(json_object_object_get(one, "vms"));

		if (vms > 0 && strcmp(other, tag))
			say("  %lld VM%s on %s", vms, vms == 1 ? " stays" : "s stay",
			    other);
	}
	json_object_put(all);
}

/*
 * New VMs go to `tag`. A default that somebody else chose is noted first, so that there is a way
 * back to it. What cannot be noted is an error, and `tag` is the default all the same, also of the
 * next boot: a full disk must not stand in the way of a rollback.
 */
static enum status choose(const char *tag)
{
	char *before = vac_default(), *last = history_previous(NULL);
	enum status status = DONE;
	int err, unnoted = 0;

	if (vac_closed(tag))
		status = fail(
			REFUSED,
			"%s is closed: it makes no new VM\n"
			"next: echo 0 | sudo tee /sys/kernel/vac/instances/%s/closed",
			tag, tag);
	else if (!vac_has(tag))
		status = module_load(tag);
	if (!status && before && (!last || strcmp(before, last))) {
		unnoted = history_add(before);
		free(last);
		last = unnoted ? NULL : strdup(before);
	}
	if (!status && (err = host_write(tag, "/sys/kernel/vac/default")))
		status = fail(SYSTEM, "cannot write /sys/kernel/vac/default: %s",
			      strerror(-err));
	if (!status) {
		say("new VMs go to %s", tag);
		say_who_stays(tag);
		if (!unnoted && (!last || strcmp(last, tag)))
			unnoted = history_add(tag);
		status = boot_choose(tag);
		if (!status && unnoted)
			status = fail(SYSTEM,
				      "new VMs go to %s, but rollback will not know: "
				      "cannot write /var/lib/multi-kvm/history: %s",
				      tag, strerror(-unnoted));
	}
	free(before);
	free(last);
	return status ? status : report_done(vac_instance(tag));
}

enum status do_use(int argc, char **argv)
{
	const char *tag = only_tag(argc, argv);
	enum status status;

	if (!tag)
		return USAGE;
	status = host_lock("use");
	return status ? status : choose(tag);
}

enum status do_rollback(int argc, char **argv)
{
	char *now, *previous;
	enum status status;

	if (argc != 1)
		return usage(argv[0]);
	status = host_lock("rollback");
	if (status)
		return status;
	/* Without a default, what was chosen last is what to get away from. */
	now = vac_default();
	if (!now)
		now = history_previous(NULL);
	previous = history_previous(now);
	if (previous)
		status = choose(previous);
	else
		status = fail(NOT_FOUND, "there is nothing to roll back to: no other "
					 "instance was the default\n"
					 "next: multikvm use TAG");
	free(now);
	free(previous);
	return status;
}
