// SPDX-License-Identifier: GPL-2.0-only
/*
 * status.c - the host as a whole, and one instance.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multikvm.h"

static void add(json_object *to, const char *key, char *text)
{
	json_object_object_add(to, key, host_text(text));
	free(text);
}

/* The words or the lines of a file. */
static void add_each(json_object *to, const char *key, const char *separator, char *text)
{
	json_object *all = json_object_new_array();
	char *rest = text, *one;

	while (rest && (one = strsep(&rest, separator)))
		if (*one && strcmp(one, "none"))
			json_object_array_add(all, host_text(one));
	json_object_object_add(to, key, all);
	free(text);
}

static json_object *tags_of_loaded(void)
{
	json_object *all = vac_instances(), *tags = json_object_new_array();
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++)
		json_object_array_add(tags,
				      json_object_get(json_object_object_get(
					      json_object_array_get_idx(all, i), "tag")));
	json_object_put(all);
	return tags;
}

/* The kernels for which an instance is installed. */
static json_object *kernels_of(const char *tag)
{
	json_object *all = host_names("/lib/modules"), *kernels = json_object_new_array();
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		json_object *kernel = json_object_array_get_idx(all, i);

		if (module_installed_for(tag, json_object_get_string(kernel)))
			json_object_array_add(kernels, json_object_get(kernel));
	}
	json_object_put(all);
	return kernels;
}

/* What the loaded module was made from, or where none is loaded the installed one. */
static char *origin(const char *tag, const char *key)
{
	char name[40];

	if (vac_has(tag))
		return host_read("/sys/kernel/vac/instances/%s/%s", tag, key);
	snprintf(name, sizeof(name), "kvm_%s", tag);
	return module_field(name, strcmp(key, "interface") ? key : "vac_interface");
}

static enum status of_one(const char *tag)
{
	static const char * const keys[] = { "snapshot", "snapshot_digest",
					     "rules_digest", "patches", "interface" };
	json_object *one, *kernels, *waiting;
	bool waits = false;
	size_t i;

	if (check_tag(tag))
		return USAGE;
	kernels = kernels_of(tag);
	if (!vac_has(tag) && !json_object_array_length(kernels)) {
		json_object_put(kernels);
		return fail(NOT_FOUND, "there is no kvm-%s here\nnext: multikvm list",
			    tag);
	}
	one = vac_has(tag) ? vac_instance(tag) : json_object_new_object();
	json_object_object_add(one, "tag", json_object_new_string(tag));
	json_object_object_add(one, "loaded", json_object_new_boolean(vac_has(tag)));
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		add(one, keys[i], origin(tag, keys[i]));
	waiting = modules_waiting();
	for (i = 0; i < json_object_array_length(waiting); i++)
		waits |= !strcmp(
			json_object_get_string(json_object_array_get_idx(waiting, i)),
			tag);
	json_object_put(waiting);
	json_object_object_add(one, "waiting", json_object_new_boolean(waits));
	json_object_object_add(one, "kernels", kernels);
	return report_object("instance", one);
}

enum status do_status(int argc, char **argv)
{
	json_object *all;
	char *now, *last;

	if (argc > 2)
		return usage(argv[0]);
	if (argc == 2)
		return of_one(argv[1]);
	all = json_object_new_object();
	now = vac_default();
	add(all, "vac", host_read("/sys/kernel/vac/version"));
	add(all, "vendor", host_read("/sys/kernel/vac/vendor"));
	last = history_previous(NULL);
	add(all, "previous", history_previous(now ? now : last));
	free(last);
	add(all, "default", now);
	json_object_object_add(all, "loaded", tags_of_loaded());
	json_object_object_add(all, "installed", modules_installed());
	json_object_object_add(all, "waiting", modules_waiting());
	add_each(all, "closed", " \n", host_read("/sys/kernel/vac/closed"));
	add(all, "users", host_read("/sys/kernel/vac/users"));
	json_object_object_add(all, "holders", host_names("/sys/module/vac/holders"));
	add(all, "chooser", host_read("/sys/kernel/vac/chooser"));
	add_each(all, "refused", "\n", host_read("/sys/kernel/vac/refused"));
	json_object_object_add(
		all, "stock",
		json_object_new_boolean(host_has("/sys/module/kvm/initstate")));
	add(all, "next_boot", boot_next());
	return report_object("status", all);
}
