// SPDX-License-Identifier: GPL-2.0-only
/*
 * remove.c - the way back: an instance goes, or all of multi-kvm steps aside for the stock KVM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multikvm.h"

/* [path] of what came with a checkout; empty if nothing did. */
static json_object *host_files(void)
{
	char *text = host_read(HOST_FILES);
	json_object *files = text ? json_tokener_parse(text) : NULL;

	free(text);
	if (files && json_object_is_type(files, json_type_array))
		return files;
	json_object_put(files);
	return json_object_new_array();
}

/* Is there a package of another instance? */
static bool is_last(const char *name)
{
	json_object *all = host_names("/var/lib/dkms");
	bool last = true;
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(all, i));

		last &= strncmp(one, "kvm-", 4) || !is_tag(one + 4) || !strcmp(one, name);
	}
	json_object_put(all);
	return last;
}

static int remove_files(json_object *files)
{
	int result = 0;
	size_t i;

	for (i = 0; !result && i < json_object_array_length(files); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(files, i));

		/* A package may have it by now. */
		if (!package_of_dpkg(one))
			result = STEP("rm", "-f", one + 1);
	}
	if (!result && json_object_array_length(files))
		result = STEP("rm", "-f", HOST_FILES + 1);
	return result;
}

/* In one transaction: the instance, and with the last one what a checkout has brought along. */
static enum status take_away(const char *name, bool *last)
{
	json_object *paths = json_object_new_array(), *kernels = json_object_new_array();
	json_object *files = host_files();
	enum status status;
	bool broken;
	int result;
	size_t i;

	*last = json_object_array_length(files) && is_last(name);
	place_paths(paths, name, NULL, kernels);
	if (*last) {
		place_paths(paths, VAC_PACKAGE, NULL, kernels);
		for (i = 0; i < json_object_array_length(files); i++)
			add_once(paths, json_object_get_string(
						json_object_array_get_idx(files, i)));
		add_once(paths, HOST_FILES);
	}
	status = transaction_begin(paths, kernels);
	if (status)
		goto out;
	result = place_remove_all(name);
	if (!result && *last)
		result = place_remove_all(VAC_PACKAGE);
	if (!result && *last)
		result = remove_files(files);
	status = transaction_end("cannot remove", result, &broken);
out:
	json_object_put(paths);
	json_object_put(kernels);
	json_object_put(files);
	return status;
}

/* That new VMs go to nothing is what `disable` is for, and what `use` avoids. */
static enum status refuse_default(const char *tag)
{
	char *now = boot_default(), *loaded = vac_default();
	bool is = (now && !strcmp(now, tag)) ||
		  (loaded && !strcmp(loaded, tag) && vac_has(tag));
	json_object *all = vac_instances();
	bool alone = json_object_array_length(all) < 2;

	json_object_put(all);
	free(now);
	free(loaded);
	if (!is)
		return DONE;
	return fail(REFUSED, "new VMs go to %s\nnext: multikvm %s", tag,
		    alone ? "disable, which gives the host back to the stock KVM"
			  : "use ANOTHER");
}

enum status do_remove(int argc, char **argv)
{
	const char *tag = only_tag(argc, argv);
	json_object *done, *versions, *sources;
	enum status status;
	char *name;
	bool there, last = false, loaded = false;

	if (!tag)
		return USAGE;
	status = host_lock_builds("remove");
	if (status)
		return status;
	if (asprintf(&name, "kvm-%s", tag) < 0)
		return SYSTEM;
	versions = package_versions(name);
	sources = package_sources(name);
	there = json_object_array_length(versions) || json_object_array_length(sources);
	json_object_put(versions);
	json_object_put(sources);
	if (!there)
		status = refuse_packaged(name);
	if (!there && !status)
		status = fail(NOT_FOUND, "%s is not installed\nnext: multikvm list", tag);
	if (!status)
		status = refuse_packaged(name);
	if (!status)
		status = vac_has(tag) ? refuse_vms(tag) : DONE;
	if (!status)
		status = refuse_default(tag);
	if (!status && vac_has(tag)) {
		status = module_unload(tag);
		loaded = !status;
	}
	if (!status)
		status = take_away(name, &last);
	if (status && loaded)
		module_load(tag);
	free(name);
	if (status)
		return status;
	done = json_object_new_object();
	json_object_object_add(done, "removed", json_object_new_string(tag));
	say(last ? "removed %s and, as it was the last instance, multi-kvm"
		 : "removed %s",
	    tag);
	if (last)
		modules_unload_vac();
	say_next_boot(done);
	return report("removed", done);
}

/* The first `n` are loaded again, and new VMs go where they went. */
static void load_again(json_object *all, size_t n, const char *before)
{
	size_t i;

	for (i = 0; i < n; i++)
		module_load(json_object_get_string(json_object_object_get(
			json_object_array_get_idx(all, i), "tag")));
	if (before)
		host_write(before, "/sys/kernel/vac/default");
}

static enum status unload_all(void)
{
	json_object *all = vac_instances();
	size_t i, n = json_object_array_length(all), unloaded = 0;
	enum status status = DONE;
	char *before = vac_default();
	const char *tag;

	for (i = 0; !status && i < n; i++)
		status = refuse_vms(json_object_get_string(json_object_object_get(
			json_object_array_get_idx(all, i), "tag")));
	for (i = 0; !status && i < n; i++) {
		tag = json_object_get_string(
			json_object_object_get(json_object_array_get_idx(all, i), "tag"));
		status = module_unload(tag);
		unloaded += !status;
	}
	if (!status)
		status = modules_unload_vac();
	if (status && unloaded)
		load_again(all, unloaded, before);
	json_object_put(all);
	free(before);
	return status;
}

enum status do_disable(int argc, char **argv)
{
	enum status status, kept;
	json_object *done;

	if (argc != 1)
		return usage(argv[0]);
	status = host_lock("disable");
	if (!status)
		status = unload_all();
	if (status)
		return status;
	/* What cannot be removed must not keep the stock KVM away. */
	kept = boot_forget();
	status = modules_load_stock();
	if (kept || status)
		return kept ? kept : status;
	done = json_object_new_object();
	json_object_object_add(done, "loaded", host_text(modules_stock()));
	say_next_boot(done);
	return report("disabled", done);
}
