// SPDX-License-Identifier: GPL-2.0-only
/*
 * packages.c - source packages, and what dkms has of them.
 *
 * A source package is a folder NAME-VERSION with a dkms.conf: multi-kvm, which is vac, or kvm-<tag>.
 * dkms has a folder for each name, with one for each version in it, and a link for each kernel,
 * kernel-KERNEL-x86_64, to what is installed there: VERSION/KERNEL/x86_64. That is read here, because
 * what `dkms status` prints is for people.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "multikvm.h"

#define CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+~-_"

/* The value of a line NAME="value" of a dkms.conf, malloc()ed. */
static char *value_of(const char *text, const char *name)
{
	size_t n = strlen(name);
	const char *at = text, *end;

	for (; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, name, n) || strncmp(at + n, "=\"", 2))
			continue;
		end = strchr(at + n + 2, '"');
		return end ? strndup(at + n + 2, end - at - n - 2) : NULL;
	}
	return NULL;
}

bool is_version(const char *text)
{
	return text && *text && *text != '.' && *text != '-' &&
	       !text[strspn(text, CHARS)];
}

static bool is_name(const char *text)
{
	return text && (!strcmp(text, VAC_PACKAGE) ||
			(!strncmp(text, "kvm-", 4) && is_tag(text + 4)));
}

/* Not under the host's root for tests: a path that a user typed. */
int package_read(const char *folder, struct package *package)
{
	char *path = NULL, *text = NULL, *depends = NULL;
	int err = -ENOMEM;

	*package = (struct package){ 0 };
	if (asprintf(&path, "%s/dkms.conf", folder) < 0)
		return err;
	text = read_file(path);
	free(path);
	if (!text)
		return -errno;
	package->folder = strdup(folder);
	package->name = value_of(text, "PACKAGE_NAME");
	package->version = value_of(text, "PACKAGE_VERSION");
	package->series = value_of(text, "SERIES");
	depends = value_of(text, "BUILD_DEPENDS[0]");
	if (!is_name(package->name) || !is_version(package->version) ||
	    (strcmp(package->name, VAC_PACKAGE) &&
	     (!depends || strcmp(depends, VAC_PACKAGE))))
		err = -EINVAL;
	else
		err = 0;
	free(text);
	free(depends);
	if (err)
		package_free(package);
	return err;
}

void package_free(struct package *package)
{
	free(package->name);
	free(package->version);
	free(package->folder);
	free(package->series);
	*package = (struct package){ 0 };
}

bool package_is_vac(const char *name)
{
	return !strcmp(name, VAC_PACKAGE);
}

json_object *package_versions(const char *name)
{
	json_object *names = host_names("/var/lib/dkms/%s", name);
	json_object *versions = json_object_new_array();
	size_t i;

	for (i = 0; i < json_object_array_length(names); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(names, i));

		if (host_has("/var/lib/dkms/%s/%s/source", name, one) ||
		    host_has("/var/lib/dkms/%s/%s/build", name, one))
			json_object_array_add(versions, json_object_new_string(one));
	}
	json_object_put(names);
	return versions;
}

char *package_installed(const char *name, const char *kernel)
{
	char *link = host_path("/var/lib/dkms/%s/kernel-%s-" ARCH, name, kernel);
	char target[256], *slash;
	ssize_t n = link ? readlink(link, target, sizeof(target) - 1) : -1;

	free(link);
	if (n < 0)
		return NULL;
	target[n] = '\0';
	slash = strchr(target, '/');
	return slash ? strndup(target, slash - target) : NULL;
}

json_object *package_kernels(const char *name)
{
	json_object *names = host_names("/var/lib/dkms/%s", name);
	json_object *kernels = json_object_new_array();
	size_t i;

	for (i = 0; i < json_object_array_length(names); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(names, i));
		size_t n = strlen(one), end = strlen("-" ARCH);

		if (!strncmp(one, "kernel-", 7) && n > 7 + end &&
		    !strcmp(one + n - end, "-" ARCH))
			json_object_array_add(kernels, json_object_new_string_len(
							       one + 7, n - 7 - end));
	}
	json_object_put(names);
	return kernels;
}

/* [folder name] of those in /usr/src that begin with "NAME-", and are of that package. */
json_object *package_sources(const char *name)
{
	json_object *all = host_names("/usr/src");
	json_object *sources = json_object_new_array();
	struct package package;
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(all, i));
		char *folder = host_path("/usr/src/%s", one);

		if (folder && !package_read(folder, &package)) {
			if (!name || !strcmp(package.name, name))
				json_object_array_add(sources,
						      json_object_new_string(one));
			package_free(&package);
		}
		free(folder);
	}
	json_object_put(all);
	return sources;
}

static bool same_bytes(const char *a, const char *b)
{
	size_t in_a = 0, in_b = 0;
	char *left = read_bytes(a, &in_a), *right = read_bytes(b, &in_b);
	bool same = left && right && in_a == in_b && !memcmp(left, right, in_a);

	free(left);
	free(right);
	return same;
}

char *package_damaged(const char *name, const char *kernel)
{
	char *version = package_installed(name, kernel), *bad = NULL, *built, *installed;
	json_object *names = host_names("/var/lib/dkms/%s/%s/%s/" ARCH "/module", name,
					version ? version : "", kernel);
	bool any = false;
	size_t i;

	for (i = 0; version && !bad && i < json_object_array_length(names); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(names, i));

		if (!strstr(one, ".ko"))
			continue;
		any = true;
		built = host_path("/var/lib/dkms/%s/%s/%s/" ARCH "/module/%s", name,
				  version, kernel, one);
		installed = host_path("/lib/modules/%s/updates/dkms/%s", kernel, one);
		if (built && installed && !same_bytes(built, installed) &&
		    asprintf(&bad, "/lib/modules/%s/updates/dkms/%s", kernel, one) < 0)
			bad = NULL;
		free(built);
		free(installed);
	}
	if (version && !any &&
	    asprintf(&bad, "/lib/modules/%s/updates/dkms/%s.ko", kernel, name) < 0)
		bad = NULL;
	json_object_put(names);
	free(version);
	return bad;
}

bool package_of_dpkg(const char *path)
{
	struct process how = { .log = "/dev/null" };

	return !process_run(&how,
			    (const char * const[]){ "dpkg-query", "-S", path, NULL });
}

json_object *kernels_with_headers(void)
{
	json_object *all = host_names("/lib/modules");
	json_object *kernels = json_object_new_array();
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(all, i));

		if (kernel_has_headers(one))
			json_object_array_add(kernels, json_object_new_string(one));
	}
	json_object_put(all);
	return kernels;
}

bool kernel_has_headers(const char *kernel)
{
	return host_has("/lib/modules/%s/build/include", kernel);
}
