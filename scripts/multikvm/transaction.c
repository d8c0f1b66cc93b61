// SPDX-License-Identifier: GPL-2.0-only
/*
 * transaction.c - a change of the host that is made whole, or undone.
 *
 * Before it begins, all that it will touch is copied to /var/lib/multi-kvm/undo. As long as that folder
 * is there the change is unfinished, whatever became of the program: whoever takes the lock
 * next (host_lock()) puts everything back first. The folder appears and goes by one rename.
 *
 *	undo/paths	what may be touched, a path a line. One that ends with "/" was not there, and its
 *			folder is removed again if nothing is in it
 *	undo/kernels	those whose modules.dep depends on it
 *	undo/files/	what was there
 *
 * Putting back can be interrupted as well, and is then done again from its beginning.
 * All of it under host_lock(), and host_lock_builds().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "multikvm.h"

#define UNDO  STATE "/undo"
#define FRESH STATE "/undo.new"
#define OLD   STATE "/undo.old"

/*
 * Every change of the host is one of these programs, with the host's root as its folder.
 * With FOR_TESTS, MULTIKVM_DIES_AT=N kills this program instead of the N-th.
 */
static int step_in(const char *folder, const char * const argv[])
{
	char *log = host_path(STEPS);
	struct process how = { .on_host = true, .folder = folder, .log = log };
	int result;
#ifdef FOR_TESTS
	static int steps;
	const char *at = getenv("MULTIKVM_DIES_AT");

	if (at && ++steps == atoi(at))
		kill(getpid(), SIGKILL);
#endif
	result = process_run(&how, argv);
	free(log);
	return result;
}

int transaction_step(const char * const argv[])
{
	char *root = host_path("/");
	int result = root ? step_in(root, argv) : -ENOMEM;

	free(root);
	return result;
}

static const char *relative(const char *path)
{
	return path + strspn(path, "/");
}

/* `before`, then the items, then NULL; the caller frees it. */
static const char **arguments(const char * const before[], json_object *items)
{
	size_t i, n = 0, count = items ? json_object_array_length(items) : 0;
	const char **argv;

	while (before[n])
		n++;
	argv = calloc(n + count + 1, sizeof(*argv));
	if (!argv)
		return NULL;
	memcpy(argv, before, n * sizeof(*argv));
	for (i = 0; i < count; i++)
		argv[n + i] = json_object_get_string(json_object_array_get_idx(items, i));
	return argv;
}

static int step_with(const char *folder, const char * const before[], json_object *items)
{
	const char **argv = arguments(before, items);
	int result = !argv    ? -ENOMEM
		     : folder ? step_in(folder, argv)
			      : transaction_step(argv);

	free(argv);
	return result;
}

/* In `folder`, or at the host's root. */
#define STEP_WITH(folder, items, ...) \
	step_with(folder, (const char * const[]){ __VA_ARGS__, NULL }, items)

/* A line for each item. */
static int write_lines(json_object *items, const char *name)
{
	char *path = host_path(FRESH "/%s", name);
	FILE *file = path ? fopen(path, "we") : NULL;
	size_t i;
	int err = file ? 0 : -errno;

	for (i = 0; !err && i < json_object_array_length(items); i++)
		fprintf(file, "%s\n",
			json_object_get_string(json_object_array_get_idx(items, i)));
	if (file && fclose(file))
		err = -errno;
	free(path);
	return err;
}

static json_object *read_lines(const char *name)
{
	json_object *items = json_object_new_array();
	char *text = host_read(UNDO "/%s", name), *rest = text, *line;

	while (rest && (line = strsep(&rest, "\n")))
		if (*line)
			json_object_array_add(items, json_object_new_string(line));
	free(text);
	return items;
}

static void add(json_object *to, const char *text)
{
	json_object_array_add(to, json_object_new_string(text));
}

/* `path` and, before it, those of its folders that are not there yet. */
static void add_path(json_object *paths, const char *path)
{
	char *folder = strdup(path), *end;

	while (folder && (end = strrchr(folder, '/')) && end > folder) {
		*end = '\0';
		if (host_has_entry("%s", folder))
			break;
		strcat(folder, "/");
		add(paths, folder);
		*strrchr(folder, '/') = '\0';
	}
	free(folder);
	add(paths, path);
}

/*
 * What the last step said, and how it ended, as an error that begins with `what`. dkms goes on when a
 * file did not get onto the disk, and a later step only finds that it is not whole.
 */
static enum status failed(const char *what, int result)
{
	char *said = host_read(STEPS), *full, *last;
	enum status status;

	full = said ? strstr(said, strerror(ENOSPC)) : NULL;
	if (full)
		full[strcspn(full, "\n")] = '\0';
	last = said ? strrchr(said, '\n') : NULL;
	last = last ? last + 1 : said;
	status = fail(SYSTEM, "%s: %s", what,
		      result < 0      ? strerror(-result)
		      : last && *last ? last
				      : "it failed");
	free(said);
	return status;
}

enum status transaction_begin(json_object *paths, json_object *kernels)
{
	json_object *all = json_object_new_array(), *there = json_object_new_array();
	char *files = host_path(FRESH "/files"), *steps = host_path(STEPS);
	int result = -ENOMEM;
	size_t i;

	for (i = 0; i < json_object_array_length(paths); i++) {
		const char *path = json_object_get_string(
			json_object_array_get_idx(paths, i));

		add_path(all, path);
		if (host_has_entry("%s", path))
			add(there, relative(path));
	}
	if (steps)
		unlink(steps);
	if (files)
		result = STEP("rm", "-rf", relative(FRESH), relative(OLD));
	if (!result)
		result = STEP("mkdir", "-p", relative(FRESH), files);
	if (!result && json_object_array_length(there))
		result = STEP_WITH(NULL, there, "cp", "-a", "--reflink=auto", "--parents",
				   "-t", files, "--");
	if (!result)
		result = write_lines(all, "paths");
	if (!result)
		result = write_lines(kernels, "kernels");
	if (!result)
		result = STEP("sync", "-f", relative(FRESH));
	if (!result)
		result = STEP("mv", "-T", relative(FRESH), relative(UNDO));
	/* It is there before anything else changes, which may be on another file system. */
	if (!result)
		result = STEP("sync", "-f", relative(STATE));
	if (result) {
		STEP("rm", "-rf", relative(FRESH), relative(UNDO));
		failed("cannot keep what is there now, so nothing was changed", result);
	}
	json_object_put(all);
	json_object_put(there);
	free(files);
	free(steps);
	return result ? SYSTEM : DONE;
}

/* The folder goes by one rename, after everything else is on the disk. */
static int forget(void)
{
	int result = STEP("sync");

	if (!result)
		result = STEP("mv", "-T", relative(UNDO), relative(OLD));
	if (!result)
		result = STEP("sync", "-f", relative(STATE));
	if (!result) {
		STEP("rm", "-rf", relative(OLD));
		STEP("rmdir", "--ignore-fail-on-non-empty", relative(STATE));
	}
	return result;
}

static enum status commit(void)
{
	int result = forget();

	return result ? failed("cannot end the change", result) : DONE;
}

/* A module of a kernel that was removed meanwhile. */
static bool of_no_kernel(const char *path)
{
	static const char modules[] = "/lib/modules/";
	size_t n = strlen(modules);
	char kernel[256];

	if (strncmp(path, modules, n))
		return false;
	snprintf(kernel, sizeof(kernel), "%.*s", (int)strcspn(path + n, "/"), path + n);
	return !host_has("/lib/modules/%s/kernel", kernel) && !kernel_has_headers(kernel);
}

static int put_all_back(void)
{
	json_object *lines = read_lines("paths"), *kernels = read_lines("kernels");
	json_object *paths = json_object_new_array(), *there = json_object_new_array();
	char *root = host_path("/"), *files = host_path(UNDO "/files");
	int result = root && files ? 0 : -ENOMEM, again = 0;
	size_t i, n = json_object_array_length(lines);
	const char *text;

	for (i = 0; i < n; i++) {
		text = json_object_get_string(json_object_array_get_idx(lines, i));
		if (text[strlen(text) - 1] == '/' || of_no_kernel(text))
			continue;
		add(paths, relative(text));
		if (host_has_entry(UNDO "/files%s", text))
			add(there, relative(text));
	}
	/* What fails is told at the end, and does not stop the rest. */
	if (!result && json_object_array_length(paths))
		result = STEP_WITH(NULL, paths, "rm", "-rf", "--one-file-system", "--");
	if (files && json_object_array_length(there))
		again = STEP_WITH(files, there, "cp", "-a", "--parents", "-t", root,
				  "--");
	result = result ? result : again;
	for (i = 0; i < n; i++) {
		text = json_object_get_string(json_object_array_get_idx(lines, i));
		if (text[strlen(text) - 1] == '/' && host_has("%s", text))
			STEP("rmdir", "--ignore-fail-on-non-empty", relative(text));
	}
	for (i = 0; i < json_object_array_length(kernels); i++) {
		text = json_object_get_string(json_object_array_get_idx(kernels, i));
		again = host_has("/lib/modules/%s/modules.dep", text)
				? STEP("depmod", text)
				: 0;
		result = result ? result : again;
	}
	json_object_put(lines);
	json_object_put(kernels);
	json_object_put(paths);
	json_object_put(there);
	free(root);
	free(files);
	return result;
}

static enum status undo(void)
{
	int result = put_all_back();

	if (!result)
		result = forget();
	if (result)
		return failed("the host could not be put back as it was; " UNDO
			      " has what is missing",
			      result);
	return DONE;
}

enum status transaction_end(const char *what, int result, bool *broken)
{
	enum status status = SYSTEM;

	*broken = false;
	if (!result && process_stopped())
		result = -EINTR;
	if (!result)
		return commit();
	if (result != -EINTR)
		status = failed(what, result);
	*broken = undo();
	if (!*broken && result != -EINTR)
		fprintf(stderr, "  everything is as it was before\n");
	return status;
}

enum status transaction_recover(void)
{
	if (!host_has(UNDO "/paths"))
		return DONE;
	say("undoing a change that was interrupted");
	return undo();
}

void transaction_remove_rests(void)
{
	static const char * const prefixes[] = { "stage.", "undo.new", "undo.old" };
	json_object *names = host_names(STATE);
	char *path;
	size_t i, n;

	for (i = 0; i < json_object_array_length(names); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(names, i));

		for (n = 0; n < sizeof(prefixes) / sizeof(prefixes[0]); n++) {
			if (strncmp(one, prefixes[n], strlen(prefixes[n])) ||
			    asprintf(&path, "%s/%s", relative(STATE), one) < 0)
				continue;
			STEP("rm", "-rf", path);
			free(path);
		}
	}
	if (host_has(STATE))
		STEP("rmdir", "--ignore-fail-on-non-empty", relative(STATE));
	json_object_put(names);
}
