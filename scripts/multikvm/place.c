// SPDX-License-Identifier: GPL-2.0-only
/*
 * place.c - what was built in the stage is handed to dkms and installed; what is replaced goes. All
 * of it in a transaction.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multikvm.h"

static const char * const of_vac[] = { "vac", "vac-vfio", NULL };

static void add(json_object *to, char *text)
{
	if (text)
		json_object_array_add(to, json_object_new_string(text));
	free(text);
}

static char *text(const char *fmt, ...) FMT(1);
static char *text(const char *fmt, ...)
{
	va_list ap;
	char *line;

	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	return line;
}

static void add_modules(json_object *to, const char *name, const char *kernel)
{
	static const char * const ends[] = { "", ".gz", ".xz", ".zst" };
	const char *one[] = { name, NULL };
	const char * const *module = package_is_vac(name) ? of_vac : one;
	size_t i;

	for (; *module; module++)
		for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			add(to, text("/lib/modules/%s/updates/dkms/%s.ko%s", kernel,
				     *module, ends[i]));
}

static bool of_dpkg(const char *source)
{
	char *conf = text("%s/dkms.conf", source);
	bool is = conf && package_of_dpkg(conf);

	free(conf);
	return is;
}

void place_paths(json_object *to, const char *name, const char *version,
		 json_object *kernels)
{
	json_object *sources = package_sources(name), *with = package_kernels(name);
	char *fresh = version ? text("%s-%s", name, version) : NULL;
	size_t i;

	/* What is dpkg's is changed by dpkg alone, also between a kill and its undoing. */
	for (i = 0; i < json_object_array_length(sources); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(sources, i));
		char *path = text("/usr/src/%s", one);

		if (path && !of_dpkg(path))
			add(to, strdup(path));
		if (fresh && !strcmp(fresh, one)) {
			free(fresh);
			fresh = NULL;
		}
		free(path);
	}
	if (fresh)
		add(to, text("/usr/src/%s", fresh));
	free(fresh);
	add(to, text("/var/lib/dkms/%s", name));
	for (i = 0; i < json_object_array_length(with); i++)
		add_once(kernels,
			 json_object_get_string(json_object_array_get_idx(with, i)));
	for (i = 0; i < json_object_array_length(kernels); i++)
		add_modules(
			to, name,
			json_object_get_string(json_object_array_get_idx(kernels, i)));
	json_object_put(sources);
	json_object_put(with);
}

/* The files under /lib/modules are those that were built. 0, or 1 and STEPS says which is not. */
static int same_modules(const struct package *package, const char *kernel)
{
	json_object *names = stage_modules(package, kernel);
	char *rest, *built, *installed;
	int result = 0;
	size_t i;

	for (i = 0; !result && i < json_object_array_length(names); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(names, i));

		rest = text("/%s/" ARCH "/module/%s", kernel, one);
		built = rest ? stage_path("dkms", package, rest) : NULL;
		installed = text("lib/modules/%s/updates/dkms/%s", kernel, one);
		result = built && installed ? STEP("cmp", built, installed) : -ENOMEM;
		free(rest);
		free(built);
		free(installed);
	}
	json_object_put(names);
	return result;
}

/* What was built for this kernel, and what dkms's install makes of it. */
static int place_kernel(const struct package *package, const char *kernel)
{
	char *rest = text("/%s/" ARCH, kernel);
	char *from = rest ? stage_path("dkms", package, rest) : NULL;
	char *folder = text("var/lib/dkms/%s/%s/%s", package->name, package->version,
			    kernel);
	char *link = text("var/lib/dkms/%s/kernel-%s-" ARCH, package->name, kernel);
	int result = -ENOMEM;

	if (from && folder && link)
		result = STEP("rm", "-rf", folder);
	if (!result)
		result = STEP("mkdir", "-p", folder);
	if (!result)
		result = STEP("cp", "-a", "-t", folder, from);
	/*
	 * Without the link dkms replaces the file, and does not remove it first; without --force it says
	 * that all went well and leaves a file of the same version as it is, whatever is in it.
	 */
	if (!result)
		result = STEP("rm", "-f", link);
	if (!result)
		result = STEP("dkms", "install", "-m", package->name, "-v",
			      package->version, "-k", kernel, "-a", ARCH, "--force");
	if (!result)
		result = same_modules(package, kernel);
	free(rest);
	free(from);
	free(folder);
	free(link);
	return result;
}

int place_new(const struct package *package, json_object *kernels)
{
	char *source = text("usr/src/%s-%s", package->name, package->version);
	char *from = stage_path("src", package, "");
	int result = source && from ? 0 : -ENOMEM;
	size_t i;

	if (!result && !package->in_place) {
		result = STEP("rm", "-rf", source);
		if (!result)
			result = STEP("cp", "-a", "-T", from, source);
		if (!result)
			result = STEP("diff", "-qr", from, source);
	}
	if (!result &&
	    !host_has("/var/lib/dkms/%s/%s/source", package->name, package->version))
		result = STEP("dkms", "add", "-m", package->name, "-v", package->version);
	for (i = 0; !result && i < json_object_array_length(kernels); i++) {
		result = place_kernel(
			package,
			json_object_get_string(json_object_array_get_idx(kernels, i)));
		if (!result && process_stopped())
			result = -EINTR;
	}
	free(source);
	free(from);
	return result;
}

/* Does a kernel still have this version, for which the new one was not built? */
static bool in_use(const char *name, const char *version)
{
	json_object *kernels = package_kernels(name);
	bool used = false;
	char *one;
	size_t i;

	for (i = 0; i < json_object_array_length(kernels); i++) {
		one = package_installed(
			name,
			json_object_get_string(json_object_array_get_idx(kernels, i)));
		used |= one && !strcmp(one, version);
		free(one);
	}
	json_object_put(kernels);
	return used;
}

/* What dkms does not without the source, which a package of dpkg may have taken away already. */
static int remove_without_source(const char *name, const char *version)
{
	json_object *kernels = package_kernels(name), *paths = json_object_new_array();
	char *state = text("/var/lib/dkms/%s/%s", name, version);
	int result = 0;
	size_t i, n;

	for (i = 0; !result && i < json_object_array_length(kernels); i++) {
		const char *kernel = json_object_get_string(
			json_object_array_get_idx(kernels, i));
		char *one = package_installed(name, kernel);

		if (one && !strcmp(one, version)) {
			n = json_object_array_length(paths);
			add_modules(paths, name, kernel);
			add(paths,
			    text("/var/lib/dkms/%s/kernel-%s-" ARCH, name, kernel));
			for (; !result && n < json_object_array_length(paths); n++)
				result = STEP(
					"rm", "-f",
					json_object_get_string(
						json_object_array_get_idx(paths, n)) +
						1);
			if (!result)
				result = STEP("depmod", kernel);
		}
		free(one);
	}
	if (!result)
		result = state ? STEP("rm", "-rf", state + 1) : -ENOMEM;
	json_object_put(kernels);
	json_object_put(paths);
	free(state);
	return result;
}

static int remove_version(const char *name, const char *version)
{
	char *source = text("/usr/src/%s-%s", name, version);
	int result = source ? 0 : -ENOMEM;

	if (!result && host_has("%s/dkms.conf", source))
		result = STEP("dkms", "remove", "-m", name, "-v", version, "--all");
	else if (!result)
		result = remove_without_source(name, version);
	if (!result && !of_dpkg(source))
		result = STEP("rm", "-rf", source + 1);
	free(source);
	return result;
}

int place_remove_old(const struct package *package)
{
	json_object *versions = package_versions(package->name);
	int result = 0;
	size_t i;

	for (i = 0; !result && i < json_object_array_length(versions); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(versions, i));

		if (strcmp(one, package->version) && !in_use(package->name, one))
			result = remove_version(package->name, one);
	}
	json_object_put(versions);
	return result;
}

int place_remove_all(const char *name)
{
	json_object *versions = package_versions(name), *sources = package_sources(name);
	int result = 0;
	size_t i;

	for (i = 0; !result && i < json_object_array_length(versions); i++)
		result = remove_version(
			name,
			json_object_get_string(json_object_array_get_idx(versions, i)));
	for (i = 0; !result && i < json_object_array_length(sources); i++) {
		char *path = text(
			"/usr/src/%s",
			json_object_get_string(json_object_array_get_idx(sources, i)));

		if (path && host_has("%s", path) && !of_dpkg(path))
			result = STEP("rm", "-rf", path + 1);
		free(path);
	}
	json_object_put(versions);
	json_object_put(sources);
	return result;
}
