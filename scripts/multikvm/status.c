// SPDX-License-Identifier: GPL-2.0-only
/*
 * status.c - the host as a whole.
 */
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

enum status do_status(int argc, char **argv)
{
	json_object *all = json_object_new_object();
	char *now = vac_default(), *last;

	if (argc != 1) {
		json_object_put(all);
		free(now);
		return usage(argv[0]);
	}
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
	add(all, "chooser", host_read("/sys/kernel/vac/chooser"));
	add_each(all, "refused", "\n", host_read("/sys/kernel/vac/refused"));
	json_object_object_add(
		all, "stock",
		json_object_new_boolean(host_has("/sys/module/kvm/initstate")));
	add(all, "next_boot", boot_next());
	return report_object("status", all);
}
