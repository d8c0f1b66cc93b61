// SPDX-License-Identifier: GPL-2.0-only
/*
 * vac.c - what /sys/kernel/vac says (vac/README.md has the tree).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "multikvm.h"

#define VAC "/sys/kernel/vac"

bool vac_loaded(void)
{
	return host_has(VAC "/version");
}

bool vac_has(const char *tag)
{
	return host_has(VAC "/instances/%s/number", tag);
}

char *vac_default(void)
{
	char *tag = host_read(VAC "/default");

	if (tag && is_tag(tag))
		return tag;
	free(tag);
	return NULL;
}

bool vac_closed(const char *tag)
{
	char *all = host_read(VAC "/closed"), *rest = all, *one;
	bool found = false;

	while (rest && (one = strsep(&rest, " ,\n")))
		found |= !strcmp(one, tag);
	free(all);
	return found;
}

static void add_text(json_object *to, const char *key, char *text)
{
	json_object_object_add(to, key, host_text(text));
	free(text);
}

/* A number that cannot be read is null: the instance may be on its way out. */
static void add_number(json_object *to, const char *key, long long value)
{
	json_object_object_add(to, key, value < 0 ? NULL : json_object_new_int64(value));
}

json_object *vac_instance(const char *tag)
{
	static const char * const numbers[] = { "vms", "vcpus", "references" };
	static const char * const texts[] = { "snapshot", "patches", "unmitigated" };
	json_object *one = json_object_new_object();
	char *now = vac_default();
	size_t i;

	json_object_object_add(one, "tag", json_object_new_string(tag));
	json_object_object_add(one, "loaded", json_object_new_boolean(true));
	json_object_object_add(one, "default",
			       json_object_new_boolean(now && !strcmp(now, tag)));
	json_object_object_add(
		one, "closed",
		json_object_new_boolean(host_number(VAC "/instances/%s/closed", tag) ==
					1));
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		add_number(one, numbers[i],
			   host_number(VAC "/instances/%s/%s", tag, numbers[i]));
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		add_text(one, texts[i], host_read(VAC "/instances/%s/%s", tag, texts[i]));
	free(now);
	return one;
}

/* The names in a folder, sorted by `compare`. */
static int names_in(const char *folder, struct dirent ***names,
		    int (*compare)(const struct dirent **, const struct dirent **))
{
	char *path = host_path("%s", folder);
	int n = path ? scandir(path, names, NULL, compare) : -1;

	free(path);
	return n;
}

json_object *vac_instances(void)
{
	json_object *all = json_object_new_array();
	struct dirent **names;
	int i, n = names_in(VAC "/instances", &names, alphasort);

	for (i = 0; i < n; i++) {
		if (is_tag(names[i]->d_name))
			json_object_array_add(all, vac_instance(names[i]->d_name));
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return all;
}

json_object *vac_vms(const char *tag)
{
	json_object *all = json_object_new_array(), *one;
	struct dirent **names;
	int i, n = names_in(VAC "/vms", &names, versionsort);
	char *of;

	for (i = 0; i < n; i++) {
		const char *number = names[i]->d_name;

		of = *number == '.' ? NULL : host_read(VAC "/vms/%s/instance", number);
		if (of && (!tag || !strcmp(of, tag))) {
			one = json_object_new_object();
			add_number(one, "vm", atoll(number));
			add_text(one, "tag", of);
			add_number(one, "pid", host_number(VAC "/vms/%s/pid", number));
			add_number(one, "vcpus",
				   host_number(VAC "/vms/%s/vcpus", number));
			add_number(one, "since",
				   host_number(VAC "/vms/%s/since", number));
			json_object_array_add(all, one);
		} else {
			free(of);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return all;
}
