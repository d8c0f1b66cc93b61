// SPDX-License-Identifier: GPL-2.0-only
/*
 * install.c - packages become modules of this host's kernels, or go again: built in a stage, then put
 * in place by a transaction.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "install.h"

static void told(struct install *install, const char *kernel,
		 const struct package *package, const char *what, const char *why)
{
	json_object *one = json_object_new_object();
	char *line = why ? strndup(why, strcspn(why, "\n")) : NULL;

	json_object_object_add(one, "kernel", json_object_new_string(kernel));
	json_object_object_add(one, "package", json_object_new_string(package->name));
	json_object_object_add(one, "version", json_object_new_string(package->version));
	json_object_object_add(one, "result", json_object_new_string(what));
	json_object_object_add(one, "why", host_text(line));
	json_object_array_add(install->results, one);
	say("kernel %s: %s %s %s%s%s", kernel, package->name, package->version, what,
	    line ? ": " : "", line ? line : "");
	free(line);
}

/* A half of a mitigation that this instance lacks on that kernel: its build says so. */
static void tell_unmitigated(const struct package *package, const char *kernel)
{
	char *rest = NULL, *path = NULL, *log = NULL, *at, *line, prefix[64];

	snprintf(prefix, sizeof(prefix), "%s: unmitigated: ", package->name);
	if (asprintf(&rest, "/%s/" ARCH "/log/make.log", kernel) >= 0)
		path = stage_path("dkms", package, rest);
	at = log = path ? read_file(path) : NULL;
	while (at && (line = strsep(&at, "\n")))
		if (!strncmp(line, prefix, strlen(prefix)))
			say("  unmitigated: %s", line + strlen(prefix));
	free(rest);
	free(path);
	free(log);
}

static bool has(json_object *list, const char *text)
{
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(list, i)),
			    text))
			return true;
	return false;
}

void add_once(json_object *list, const char *text)
{
	if (!has(list, text))
		json_object_array_add(list, json_object_new_string(text));
}

/* Exactly this is installed for the kernel: the version, and the source it was made from. */
static bool is_current(const struct work *work, const char *kernel)
{
	char *version = package_installed(work->package.name, kernel);
	char *damaged = package_damaged(work->package.name, kernel);
	bool same = version && !strcmp(version, work->package.version) && !damaged &&
		    stage_same_source(&work->package, kernel);

	free(version);
	free(damaged);
	return same;
}

static bool is_installed(const char *name, const char *kernel)
{
	char *version = package_installed(name, kernel);

	free(version);
	return version;
}

/* `result` is that of stage_build() or stage_audit(); `why` says it in lines. */
static enum status not_built(struct install *install, const struct package *package,
			     const char *kernel, int result, const char *why)
{
	if (result == -EINTR)
		return SYSTEM;
	if (result == STAGE_UNSAFE && install->package)
		return fail(REFUSED,
			    "%s\nthe audit of what was built for kernel %s; nothing is "
			    "installed",
			    why ? why : "the audit failed", kernel);
	if (result == STAGE_EXCLUDED && install->named && install->package)
		return fail(REFUSED,
			    "kernel %s is not supported by %s %s\n"
			    "it is for kernels of the series %s",
			    kernel, package->name, package->version,
			    package->series ? package->series : "?");
	if (result == STAGE_EXCLUDED) {
		told(install, kernel, package, "skipped",
		     "the kernel is not supported by it");
		return DONE;
	}
	/* One that was asked for, or would keep the old version. */
	if (install->package && (install->named || is_installed(package->name, kernel)))
		return fail(SYSTEM, "%s", why ? why : "out of memory");
	told(install, kernel, package, "not built", why);
	install->failed = true;
	return DONE;
}

static enum status build_one(struct install *install, struct work *work,
			     const char *kernel)
{
	enum status status = DONE;
	char *why = NULL;
	int result;

	if (!work->prepared) {
		status = stage_source(&work->package);
		work->prepared = !status;
	}
	if (status)
		return status;
	if (is_current(work, kernel)) {
		add_once(work->before, kernel);
		return DONE;
	}
	result = stage_build(&work->package, kernel, &why);
	if (!result && !package_is_vac(work->package.name))
		result = stage_audit(&work->package, kernel, &why);
	if (!result)
		add_once(work->kernels, kernel);
	else
		status = not_built(install, &work->package, kernel, result, why);
	free(why);
	return status;
}

/* Those that are wanted, and those that have the package, if they can be built for. */
static json_object *kernels_of(const struct install *install, const struct work *work)
{
	json_object *kernels = json_object_new_array();
	json_object *with = package_kernels(work->package.name);
	json_object *lists[] = { install->wanted, with };
	size_t i, n;

	/* Without a package, what others have is not touched. */
	for (n = 0; n < (install->package ? 2 : 1); n++)
		for (i = 0; i < json_object_array_length(lists[n]); i++) {
			const char *one = json_object_get_string(
				json_object_array_get_idx(lists[n], i));

			if (kernel_has_headers(one))
				add_once(kernels, one);
		}
	json_object_put(with);
	return kernels;
}

static enum status build_all(struct install *install)
{
	struct work *vac = install->work, *work;
	enum status status = DONE;
	json_object *kernels;
	size_t i;
	int err;

	for (work = vac; !status && work < vac + install->n; work++) {
		kernels = kernels_of(install, work);
		for (i = 0; !status && i < json_object_array_length(kernels); i++) {
			const char *kernel = json_object_get_string(
				json_object_array_get_idx(kernels, i));

			if (work != vac) {
				err = stage_vac(kernel, has(vac->kernels, kernel)
								? &vac->package
								: NULL);
				if (err == -ENOENT)
					continue; /* not for vac either: that was told */
			}
			status = build_one(install, work, kernel);
			if (!status && process_stopped())
				status = SYSTEM;
		}
		json_object_put(kernels);
	}
	return status;
}

/* The files of a tree, as paths from its top, into `to`. */
static void add_tree(json_object *to, const char *tree, const char *below)
{
	struct stat what;
	json_object *names;
	char *path, *inner;
	size_t i;

	if (asprintf(&path, "%s%s", tree, below) < 0)
		return;
	names = folder_names(path);
	free(path);
	for (i = 0; i < json_object_array_length(names); i++) {
		if (asprintf(&inner, "%s/%s", below,
			     json_object_get_string(
				     json_object_array_get_idx(names, i))) < 0)
			break;
		if (asprintf(&path, "%s%s", tree, inner) >= 0) {
			if (!lstat(path, &what) && S_ISDIR(what.st_mode))
				add_tree(to, tree, inner);
			else
				json_object_array_add(to, json_object_new_string(inner));
			free(path);
		}
		free(inner);
	}
	json_object_put(names);
}

static int place_files(const struct install *install, json_object *files)
{
	char *list = NULL, *from, *path;
	struct stat what;
	int result = 0;
	size_t i;
	FILE *file;

	for (i = 0; !result && i < json_object_array_length(files); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(files, i));

		if (asprintf(&from, "%s%s", install->host_files, one) < 0)
			return -ENOMEM;
		if (lstat(from, &what))
			result = -errno;
		else if (S_ISLNK(what.st_mode))
			result = STEP("cp", "-d", "-T", from, one + 1);
		else
			result = STEP("install", "-D", "-m",
				      what.st_mode & 0100 ? "755" : "644", "-T", from,
				      one + 1);
		free(from);
	}
	/* What goes with the last instance. */
	path = host_path(HOST_FILES);
	list = strdup(json_object_to_json_string(files));
	file = path && list ? fopen(path, "we") : NULL;
	if (!result && !file)
		result = -errno;
	if (file && (fprintf(file, "%s\n", list) < 0 || fclose(file)) && !result)
		result = -errno;
	free(path);
	free(list);
	return result;
}

/* Between these two lies everything that changes. */
/* While it was built the lock was free: dpkg may have taken the source away. */
static void forget_removed(struct install *install)
{
	struct work *work;

	for (work = install->work; work < install->work + install->n; work++) {
		if (!work->package.in_place ||
		    host_has("/usr/src/%s-%s/dkms.conf", work->package.name,
			     work->package.version))
			continue;
		json_object_put(work->kernels);
		work->kernels = json_object_new_array();
	}
}

static enum status put_in_place(struct install *install)
{
	json_object *paths = json_object_new_array(), *kernels = json_object_new_array();
	json_object *files = json_object_new_array();
	enum status status;
	struct work *work;
	int result = 0;
	size_t i;

	for (work = install->work; work < install->work + install->n; work++) {
		for (i = 0; i < json_object_array_length(work->kernels); i++)
			add_once(kernels,
				 json_object_get_string(
					 json_object_array_get_idx(work->kernels, i)));
	}
	for (work = install->work; work < install->work + install->n; work++)
		if (json_object_array_length(work->kernels))
			place_paths(paths, work->package.name, work->package.version,
				    kernels);
	if (install->host_files) {
		add_tree(files, install->host_files, "");
		for (i = 0; i < json_object_array_length(files); i++)
			add_once(paths, json_object_get_string(
						json_object_array_get_idx(files, i)));
		add_once(paths, HOST_FILES);
	}
	status = json_object_array_length(paths) ? transaction_begin(paths, kernels)
						 : DONE;
	if (status || !json_object_array_length(paths))
		goto out;
	for (work = install->work; !result && work < install->work + install->n; work++)
		if (json_object_array_length(work->kernels))
			result = place_new(&work->package, work->kernels);
	for (work = install->work; !result && work < install->work + install->n; work++)
		if (json_object_array_length(work->kernels))
			result = place_remove_old(&work->package);
	if (!result && install->host_files)
		result = place_files(install, files);
	status = transaction_end("cannot install", result, &install->broken);
out:
	json_object_put(paths);
	json_object_put(kernels);
	json_object_put(files);
	return status;
}

static enum status check_result(struct install *install)
{
	struct work *last = install->work + install->n - 1;

	if (install->package && !json_object_array_length(last->kernels) &&
	    !json_object_array_length(last->before))
		return fail(install->failed ? SYSTEM : REFUSED,
			    "%s %s was built for no kernel\nit is for kernels of the "
			    "series %s",
			    last->package.name, last->package.version,
			    last->package.series ? last->package.series : "?");
	return DONE;
}

static void tell_results(struct install *install)
{
	struct work *work;
	size_t i;

	for (work = install->work; work < install->work + install->n; work++) {
		for (i = 0; i < json_object_array_length(work->kernels); i++) {
			const char *kernel = json_object_get_string(
				json_object_array_get_idx(work->kernels, i));

			told(install, kernel, &work->package, "installed", NULL);
			tell_unmitigated(&work->package, kernel);
		}
		for (i = 0; i < json_object_array_length(work->before); i++)
			told(install,
			     json_object_get_string(
				     json_object_array_get_idx(work->before, i)),
			     &work->package, "is installed", NULL);
	}
}

static void tell_host(const struct install *install)
{
	struct process how = { .log = "/dev/null" };

	if (!install->host_files)
		return;
	if (host_has("/run/udev/control"))
		process_run(&how, (const char * const[]){ "udevadm", "control",
							  "--reload", NULL });
	if (host_has("/run/systemd/system"))
		process_run(&how,
			    (const char * const[]){ "systemctl", "daemon-reload", NULL });
}

static enum status run_install(struct install *install)
{
	struct process how = { .log = "/dev/null" };
	enum status status;

	status = plan_kernels(install);
	if (!status)
		status = plan_packages(install);
	if (!status && !install->n)
		return DONE; /* nothing of ours is in /usr/src */
	if (!status &&
	    process_run(&how, (const char * const[]){ "dkms", "--version", NULL }))
		status = fail(NOT_FOUND,
			      "dkms is not installed\nnext: sudo apt-get install dkms");
	if (!status)
		status = stage_begin();
	/* A build takes minutes, in which others may choose and load. */
	if (!status) {
		host_unlock();
		status = build_all(install);
	}
	if (!status)
		status = check_result(install);
	if (!status)
		status = host_lock("install");
	if (!status) {
		forget_removed(install);
		status = put_in_place(install);
	}
	if (!status) {
		tell_results(install);
		tell_host(install);
	}
	return status;
}

static enum status parse(struct install *install, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		const char **value = !strcmp(argv[i], "--vac") ? &install->vac
				     : !strcmp(argv[i], "--host-files")
					     ? &install->host_files
					     : NULL;
		bool kernel = !strcmp(argv[i], "--kernel");

		if ((value || kernel) && i + 1 == argc)
			return fail(USAGE,
				    "%s wants a value\nnext: multikvm install --help",
				    argv[i]);
		if (kernel) {
			add_once(install->wanted, argv[++i]);
			install->named = true;
		} else if (value) {
			*value = argv[++i];
		} else if (*argv[i] == '-' || install->package) {
			return usage(argv[0]);
		} else {
			install->package = argv[i];
		}
	}
	return DONE;
}

enum status do_install(int argc, char **argv)
{
	struct install install = { .wanted = json_object_new_array(),
				   .results = json_object_new_array() };
	enum status status = parse(&install, argc, argv);
	json_object *done = json_object_new_object();

	if (!status)
		status = host_lock_builds("install");
	if (!status)
		status = run_install(&install);
	stage_end();
	if (status && process_stopped())
		fprintf(stderr, "multikvm: stopped; %s\n",
			install.broken ? "the next multikvm undoes the rest"
				       : "everything is as it was before");
	json_object_object_add(done, "packages", install.results);
	if (!status) {
		say_next_boot(done);
		status = report("installed", done);
		if (!status && install.failed)
			status = SYSTEM;
	} else {
		json_object_put(done);
	}
	plan_free(&install);
	return status;
}
