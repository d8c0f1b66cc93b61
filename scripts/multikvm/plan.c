// SPDX-License-Identifier: GPL-2.0-only
/*
 * plan.c - which packages an install is about, and which kernels.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "install.h"

static enum status add_work(struct install *install, const char *folder, bool in_place)
{
	struct work *work;
	int err;

	install->work = realloc(install->work, (install->n + 1) * sizeof(*work));
	work = install->work + install->n;
	*work = (struct work){ 0 };
	err = package_read(folder, &work->package);
	if (err)
		return fail(NOT_FOUND,
			    "%s is no source package of ours%s\n"
			    "next: multikvm build TAG, or a folder that has a dkms.conf",
			    folder, err == -ENOENT ? ": it has no dkms.conf" : "");
	work->package.in_place = in_place;
	work->kernels = json_object_new_array();
	work->before = json_object_new_array();
	install->n++;
	return DONE;
}

/* The newest source of a package in `sources`, names of folders; NULL if there is none. */
static const char *newest(json_object *sources)
{
	const char *best = NULL;
	size_t i;

	for (i = 0; i < json_object_array_length(sources); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(sources, i));

		if (!best || strverscmp(one, best) > 0)
			best = one;
	}
	return best;
}

/*
 * Which of a package's sources: that of dpkg; else the one that the running kernel has, since a newer
 * one may be what was left behind; else the newest.
 */
static const char *chosen(const char *name, json_object *sources)
{
	char *version = package_installed(name, host_kernel()), *path;
	const char *best = NULL;
	size_t i, n = strlen(name) + 1;

	for (i = 0; i < json_object_array_length(sources); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(sources, i));

		path = host_path("/usr/src/%s/dkms.conf", one);
		if (path && package_of_dpkg(path)) {
			best = one;
			i = json_object_array_length(sources);
		} else if (version && strlen(one) > n && !strcmp(one + n, version)) {
			best = one;
		}
		free(path);
	}
	free(version);
	return best ? best : newest(sources);
}

static enum status add_source(struct install *install, const char *name)
{
	json_object *sources = package_sources(name);
	const char *best = chosen(name, sources);
	char *folder = best ? host_path("/usr/src/%s", best) : NULL;
	enum status status = folder ? add_work(install, folder, true) : NOT_FOUND;

	free(folder);
	json_object_put(sources);
	return status;
}

static enum status add_vac(struct install *install)
{
	enum status status;

	if (!install->vac) {
		status = add_source(install, VAC_PACKAGE);
		if (status == NOT_FOUND)
			fail(NOT_FOUND,
			     "vac, the module below all instances, is not there\n"
			     "next: sudo apt-get install multi-kvm-dkms");
		return status;
	}
	status = refuse_packaged(VAC_PACKAGE);
	if (!status)
		status = add_work(install, install->vac, false);
	if (!status && !package_is_vac(install->work[0].package.name))
		return fail(NOT_FOUND, "%s is not vac's source", install->vac);
	return status;
}

/* All of ours in /usr/src. */
static enum status add_all(struct install *install)
{
	json_object *sources = package_sources(NULL), *names = json_object_new_array();
	enum status status = DONE;
	struct package package;
	size_t i;

	for (i = 0; i < json_object_array_length(sources); i++) {
		char *folder = host_path(
			"/usr/src/%s",
			json_object_get_string(json_object_array_get_idx(sources, i)));

		if (folder && !package_read(folder, &package)) {
			if (!package_is_vac(package.name))
				add_once(names, package.name);
			package_free(&package);
		}
		free(folder);
	}
	if (json_object_array_length(sources))
		status = add_vac(install);
	for (i = 0; !status && i < json_object_array_length(names); i++)
		status = add_source(
			install,
			json_object_get_string(json_object_array_get_idx(names, i)));
	json_object_put(sources);
	json_object_put(names);
	return status;
}

/* A folder, or the tag of one that `multikvm build` made. */
static enum status add_package(struct install *install)
{
	char *folder = NULL, *name = NULL;
	json_object *built;
	enum status status;
	const char *best;

	if (!strchr(install->package, '/') && is_tag(install->package) &&
	    asprintf(&name, "kvm-%s-", install->package) >= 0) {
		built = folder_names_of(PACKAGES, name);
		best = newest(built);
		if (best)
			folder = host_path(PACKAGES "/%s", best);
		json_object_put(built);
		free(name);
		if (!folder)
			return fail(NOT_FOUND,
				    "there is no package of %s in " PACKAGES "\n"
				    "next: multikvm build %s",
				    install->package, install->package);
	}
	status = add_work(install, folder ? folder : install->package, false);
	free(folder);
	if (status)
		return status;
	name = install->work[install->n - 1].package.name;
	if (package_is_vac(name))
		return fail(USAGE,
			    "%s is vac, and no instance\n"
			    "next: multikvm install TAG --vac %s",
			    install->package, install->package);
	return refuse_packaged(name);
}

/* Of two modules of one name, depmod prefers neither. */
static enum status refuse_prebuilt(const char *name)
{
	static const char path[] = "/lib/modules/%s/updates/multi-kvm/%s.ko";
	json_object *kernels = host_names("/lib/modules");
	enum status status = DONE;
	char file[300];
	size_t i;

	for (i = 0; !status && i < json_object_array_length(kernels); i++) {
		snprintf(file, sizeof(file), path,
			 json_object_get_string(json_object_array_get_idx(kernels, i)),
			 package_is_vac(name) ? "vac" : name);
		if (host_has("%s", file))
			status = fail(
				REFUSED,
				"%s is prebuilt, from a package of dpkg\n"
				"next: sudo apt-get install or remove that: dpkg -S %s",
				name, file);
	}
	json_object_put(kernels);
	return status;
}

/* An instance that came by a package of dpkg is changed by dpkg alone. */
enum status refuse_packaged(const char *name)
{
	json_object *sources = package_sources(name);
	enum status status = refuse_prebuilt(name);
	size_t i;

	for (i = 0; !status && i < json_object_array_length(sources); i++) {
		char *path = host_path(
			"/usr/src/%s/dkms.conf",
			json_object_get_string(json_object_array_get_idx(sources, i)));

		if (path && package_of_dpkg(path))
			status = fail(
				REFUSED,
				"%s was installed by a package of dpkg\n"
				"next: sudo apt-get install or remove that: dpkg -S %s",
				name, path);
		free(path);
	}
	json_object_put(sources);
	return status;
}

enum status plan_kernels(struct install *install)
{
	size_t i;

	for (i = 0; i < json_object_array_length(install->wanted); i++) {
		const char *kernel = json_object_get_string(
			json_object_array_get_idx(install->wanted, i));

		if (!*kernel || strchr(kernel, '/') || *kernel == '.')
			return fail(USAGE,
				    "'%s' is no name of a kernel\nnext: ls /lib/modules",
				    kernel);
		if (!kernel_has_headers(kernel))
			return fail(NOT_FOUND,
				    "the headers of kernel %s are not installed\n"
				    "next: sudo apt-get install linux-headers-%s",
				    kernel, kernel);
	}
	if (install->named)
		return DONE;
	json_object_put(install->wanted);
	install->wanted = kernels_with_headers();
	if (json_object_array_length(install->wanted))
		return DONE;
	return fail(NOT_FOUND, "no kernel here has its headers installed\n"
			       "next: sudo apt-get install linux-headers-amd64");
}

enum status plan_packages(struct install *install)
{
	enum status status;

	if (!install->package)
		return add_all(install);
	status = add_vac(install);
	return status ? status : add_package(install);
}

void plan_free(struct install *install)
{
	while (install->n--) {
		package_free(&install->work[install->n].package);
		json_object_put(install->work[install->n].kernels);
		json_object_put(install->work[install->n].before);
	}
	free(install->work);
	json_object_put(install->wanted);
}
