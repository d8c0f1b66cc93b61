// SPDX-License-Identifier: GPL-2.0-only
/*
 * options.c - the site's options for the stock modules, carried over to instances.
 *
 * An instance is kvm and the vendor's module in one. It gets the options of modprobe.d and of the
 * kernel's command line for these two, and its own last, since of two the later one counts.
 */
#define _GNU_SOURCE
#include <libkmod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multikvm.h"

/* The options of modprobe.d and of the kernel's command line for a module, or NULL. */
static const char *options_of(struct kmod_ctx *ctx, const char *name,
			      struct kmod_module **module)
{
	if (kmod_module_new_from_name(ctx, name, module))
		*module = NULL;
	return *module ? kmod_module_get_options(*module) : NULL;
}

/* Of a module's info: each parameter has a "parmtype=NAME:TYPE". */
static bool has_parameter(struct kmod_list *info, const char *name, size_t n)
{
	struct kmod_list *at;

	kmod_list_foreach(at, info)
	{
		const char *value = kmod_module_info_get_value(at);

		if (!strcmp(kmod_module_info_get_key(at), "parmtype") &&
		    !strncmp(value, name, n) && value[n] == ':')
			return true;
	}
	return false;
}

/* Where an option ends: at a space that is not in quotes, as the kernel's parse_args() has it. */
static size_t option_length(const char *text)
{
	bool quoted = false;
	size_t n;

	for (n = 0; text[n] && (quoted || !strchr(" \t", text[n])); n++)
		quoted ^= text[n] == '"';
	return n;
}

/*
 * The site's options of one stock module go to `known`, or to `lost` where the instance has no
 * such.
 */
static void sort_options(const char *name, const char *options, struct kmod_list *info,
			 FILE *known, json_object *lost)
{
	const char *at = options ? options : "";
	char *one, *text;
	size_t n, i;

	for (; *at; at += n) {
		at += strspn(at, " \t");
		n = option_length(at);
		one = n ? strndup(at, n) : NULL;
		if (!one)
			continue;
		/* The kernel takes both - and _; modinfo has _. */
		for (i = 0; one[i] && one[i] != '='; i++)
			one[i] = one[i] == '-' ? '_' : one[i];
		if (has_parameter(info, one, i)) {
			fprintf(known, "%s ", one);
		} else if (asprintf(&text, "%s.%s", name, one) >= 0) {
			json_object_array_add(lost, json_object_new_string(text));
			free(text);
		}
		free(one);
	}
}

char *module_options(struct kmod_ctx *ctx, struct kmod_module *module, json_object *lost)
{
	const char *names[] = { "kvm", modules_stock_of_cpu() }, *options;
	struct kmod_list *info = NULL;
	struct kmod_module *site;
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	kmod_module_get_info(module, &info);
	for (i = 0; out && i < 2 && names[i]; i++) {
		options = options_of(ctx, names[i], &site);
		sort_options(names[i], options, info, out, lost);
		if (site)
			kmod_module_unref(site);
	}
	options = kmod_module_get_options(module);
	if (out)
		fprintf(out, "%s", options ? options : "");
	if (out)
		fclose(out);
	kmod_module_info_free_list(info);
	return text;
}

json_object *module_lost_options(const char *tag)
{
	char name[40];
	json_object *lost = json_object_new_array();
	struct kmod_module *module;
	struct kmod_ctx *ctx;

	snprintf(name, sizeof(name), "kvm_%s", tag);
	if (module_find(name, &ctx, &module))
		return lost;
	free(module_options(ctx, module, lost));
	kmod_module_unref(module);
	kmod_unref(ctx);
	return lost;
}
