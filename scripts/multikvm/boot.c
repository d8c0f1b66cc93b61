// SPDX-License-Identifier: GPL-2.0-only
/*
 * boot.c - what the next boot does, and what this one did: the chosen default.
 *
 * A host whose default was never chosen boots as it did before: with the stock KVM. `use` writes two
 * files, DEFAULT with the tag and BLACKLIST, without which udev would load the stock KVM first; `disable`
 * removes both. multi-kvm.service then calls `multikvm boot`.
 *
 * If the default cannot be loaded, nothing else is: an older KVM, or the stock one, may be what the
 * operator got away from. The unit has failed then, and its log says why.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multikvm.h"

#define DEFAULT	  STATE "/default"
#define BLACKLIST "/etc/modprobe.d/multi-kvm.conf"

static const char blacklist[] =
#include "blacklist.h" /* made of scripts/host/multi-kvm.conf */
	;

char *boot_default(void)
{
	char *tag = host_read(DEFAULT);

	if (tag && is_tag(tag))
		return tag;
	free(tag);
	return NULL;
}

/*
 * First DEFAULT and then BLACKLIST, and the other way round when they go: the default alone boots,
 * since it takes the place of an idle stock KVM, while the blacklist alone boots without any KVM.
 */
enum status boot_choose(const char *tag)
{
	char *now = boot_default(), *text = host_read(BLACKLIST), *line = NULL;
	const char *file = DEFAULT;
	int err = 0;

	if (!now || strcmp(now, tag))
		err = asprintf(&line, "%s\n", tag) < 0 ? -ENOMEM
						       : host_replace(line, DEFAULT);
	/* host_read() takes the last newline away. */
	if (!err && (!text || strlen(text) + 1 != strlen(blacklist) ||
		     strncmp(text, blacklist, strlen(text)))) {
		file = BLACKLIST;
		err = host_replace(blacklist, BLACKLIST);
	}
	free(now);
	free(text);
	free(line);
	return err ? fail(SYSTEM,
			  "new VMs go to %s, but what the next boot does is not changed: "
			  "cannot write %s: %s",
			  tag, file, strerror(-err))
		   : DONE;
}

enum status boot_forget(void)
{
	static const char * const files[] = { BLACKLIST, DEFAULT };
	enum status status = DONE;
	size_t i;
	int err;

	for (i = 0; !status && i < sizeof(files) / sizeof(files[0]); i++) {
		err = host_remove(files[i]);
		if (err)
			status = fail(SYSTEM, "cannot remove %s: %s", files[i],
				      strerror(-err));
	}
	return status;
}

/* Kernels that could be booted, and whether each has the default. */
void boot_kernels(json_object *with, json_object *without, const char *tag)
{
	json_object *all = host_names("/lib/modules");
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		const char *kernel = json_object_get_string(
			json_object_array_get_idx(all, i));

		/* Else only headers, or what was left of it. */
		if (!host_has("/lib/modules/%s/kernel", kernel))
			continue;
		add_once(module_installed_for(tag, kernel) ? with : without, kernel);
	}
	json_object_put(all);
}

static char *joined(json_object *list)
{
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	for (i = 0; out && i < json_object_array_length(list); i++)
		fprintf(out, "%s%s", i ? ", " : "",
			json_object_get_string(json_object_array_get_idx(list, i)));
	if (out)
		fclose(out);
	return text;
}

char *boot_next(void)
{
	json_object *with = json_object_new_array(), *without = json_object_new_array();
	char *tag = boot_default(), *text = NULL, *list;

	if (!tag) {
		text = strdup("the stock KVM, as long as none is chosen by multikvm use");
	} else {
		boot_kernels(with, without, tag);
		list = joined(without);
		if (asprintf(&text, "%s%s%s", tag,
			     list && *list ? "; no KVM at all on " : "",
			     list ? list : "") < 0)
			text = NULL;
		free(list);
	}
	json_object_put(with);
	json_object_put(without);
	free(tag);
	return text;
}

void say_next_boot(json_object *to)
{
	char *text = boot_next();

	if (!text)
		return;
	say("next boot: %s", text);
	json_object_object_add(to, "next_boot", json_object_new_string(text));
	free(text);
}

enum status do_boot(int argc, char **argv)
{
	enum status status;
	char *tag, *now;
	int err;

	if (argc != 1)
		return usage(argv[0]);
	status = host_lock("boot");
	if (status)
		return status;
	host_clean();
	tag = boot_default();
	if (!tag) {
		say("no default is chosen: multi-kvm leaves this boot alone");
		return report_done(NULL);
	}
	status = vac_has(tag) ? DONE : module_load(tag);
	now = status ? NULL : vac_default();
	if (!status && (!now || strcmp(now, tag))) {
		err = host_write(tag, "/sys/kernel/vac/default");
		if (err)
			status = fail(SYSTEM, "cannot write /sys/kernel/vac/default: %s",
				      strerror(-err));
	}
	if (!status)
		say("new VMs go to %s", tag);
	status = status ? status : report_done(vac_instance(tag));
	free(now);
	free(tag);
	return status;
}
