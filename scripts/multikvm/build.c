// SPDX-License-Identifier: GPL-2.0-only
/*
 * build.c - an instance's source package from the source of a kernel, by scripts/snapshot and
 * scripts/rewrite. They run as whoever called sudo; root keeps the result for `multikvm install TAG`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "multikvm.h"

#ifndef SCRIPTS
#define SCRIPTS "/usr/lib/multi-kvm/scripts"
#endif
#define MAX_WORDS 256

struct build {
	const char *tag, *from, *series;
	const char *patches[2 * MAX_WORDS]; /* --patch FILE ... */
	size_t n;
};

char *scripts_program(const char *name)
{
	char *path;

	if (asprintf(&path, SCRIPTS "/%s", name) < 0)
		return NULL;
	if (!access(path, X_OK))
		return path;
	free(path);
	return NULL;
}

/*
 * What a program of SCRIPTS said as errors, "NAME: MESSAGE" and indented lines, as one of ours. Its last
 * message says what could not be done; what others said, before it or quoted by it, is details.
 */
static enum status fail_as_said(enum status status, const char *program, char *said)
{
	const char *name = strrchr(program, '/') + 1, *message = NULL;
	const char *end = said + strlen(said);
	char *details = NULL, *line;
	size_t size;
	FILE *out = open_memstream(&details, &size);

	for (line = said; (line = strchr(line, '\n')); line++)
		*line = '\0';
	for (line = said; line < end; line += strlen(line) + 1)
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			message = line;
	for (line = said; out && line < end; line += strlen(line) + 1)
		if (*line && line != message)
			fprintf(out, "\n%s", line + strspn(line, " "));
	if (out)
		fclose(out);
	if (message)
		fail(status, "%s%s", message, details ? details : "");
	else
		fail(status, "%s failed%s", program, details ? details : "");
	free(details);
	return status;
}

/* A new file for what a program says; its name, malloc()ed. */
static char *new_file(void)
{
	char *path = strdup("/tmp/multikvm.XXXXXX");
	int fd = path ? mkstemp(path) : -1;

	if (fd >= 0) {
		close(fd);
		return path;
	}
	free(path);
	return NULL;
}

static char *take_file(char *path)
{
	char *text = path ? read_file(path) : NULL;

	if (path)
		unlink(path);
	free(path);
	return text;
}

/*
 * What a program of SCRIPTS prints, malloc()ed, or NULL: then it has said why, and `status` is its own.
 */
static char *ask_all(enum status *status, struct process *how, const char * const argv[])
{
	char *output = new_file(), *errors = as_json ? new_file() : NULL, *text, *said;
	int result = -EIO;

	how->output = output;
	how->errors = errors;
	if (output && (errors || !as_json))
		result = process_run(how, argv);
	text = take_file(output);
	said = take_file(errors);
	*status = !result ? DONE : result > DONE && result <= SYSTEM ? result : SYSTEM;
	if (result == 127)
		*status = fail(NOT_FOUND,
			       "what builds packages is not installed (%s)\n"
			       "next: sudo apt-get install multi-kvm-build",
			       argv[0]);
	else if (!process_stopped() && (result == -EIO || !text))
		*status = fail(SYSTEM, "cannot write to /tmp\nnext: df /tmp");
	else if (!process_stopped() && result < 0)
		*status = fail(SYSTEM, "cannot run %s: %s", argv[0], strerror(-result));
	else if (!process_stopped() && result && as_json)
		fail_as_said(*status, argv[0], said ? said : strdupa(""));
	else if (said && *said)
		fprintf(stderr, "%s\n", said); /* what was left out */
	free(said);
	if (!*status && text)
		return text;
	free(text);
	*status = *status ? *status : SYSTEM;
	return NULL;
}

/* The last line of that, for whoever called sudo. Relative paths are from the folder above SCRIPTS. */
static char *ask(enum status *status, const char *what, const char * const argv[])
{
	struct process how = { .what = what, .folder = SCRIPTS "/..", .as_caller = true };
	char *text = ask_all(status, &how, argv), *last;

	if (!text)
		return NULL;
	last = strrchr(text, '\n');
	last = strdup(last ? last + 1 : text);
	free(text);
	return last;
}

#define ASK(status, what, ...) \
	ask(status, what, (const char * const[]){ __VA_ARGS__, NULL })

/* "6.1" of "6.1.0-56-amd64" */
static char *series_of(const char *kernel)
{
	const char *dot = strchr(kernel, '.');

	dot = dot ? strchr(dot + 1, '.') : NULL;
	return dot ? strndup(kernel, dot - kernel) : NULL;
}

/* The one series of the kernels that have headers here; without any it is the running one's. */
static enum status find_series(const char *from, char **series)
{
	json_object *kernels = kernels_with_headers();
	enum status status = DONE;
	size_t i;

	*series = json_object_array_length(kernels) ? NULL : series_of(host_kernel());
	for (i = 0; !status && i < json_object_array_length(kernels); i++) {
		char *one = series_of(
			json_object_get_string(json_object_array_get_idx(kernels, i)));

		if (*series && one && strcmp(*series, one))
			status = fail(
				USAGE,
				"%s of which series? There are headers of %s and %s\n"
				"next: the same with --series %s",
				from, *series, one, one);
		else if (!*series) {
			*series = one;
			one = NULL;
		}
		free(one);
	}
	json_object_put(kernels);
	return status;
}

/* A path that the caller meant from where they are; what is no file here is a release. */
static char *absolute(const char *word, const char *path)
{
	char *here = getcwd(NULL, 0), *whole = NULL;

	if (*word == '/' || access(path, F_OK) || !here ||
	    asprintf(&whole, "%s/%s", here, word) < 0)
		whole = strdup(word);
	free(here);
	return whole;
}

static char *make_package(const struct build *build, enum status *status)
{
	char *release = NULL, *snapshot = NULL, *package = NULL, *series = NULL;
	const char *argv[2 * MAX_WORDS + 8] = { SCRIPTS "/rewrite", "--tag", build->tag,
						"--snapshot" };
	size_t n = 4;

	/* Before a source is downloaded. */
	free(ASK(status, "looking", SCRIPTS "/rewrite", "--ready"));
	if (*status)
		return NULL;
	if (!strcmp(build->from, "newest") || !strcmp(build->from, "oldest")) {
		if (!build->series)
			*status = find_series(build->from, &series);
		if (!*status)
			release = ASK(status, "asking apt", SCRIPTS "/sources",
				      "releases", build->from, "--series",
				      build->series ? build->series : series);
	} else {
		release = strdup(build->from);
	}
	if (!*status)
		snapshot = ASK(status, "taking the snapshot", SCRIPTS "/snapshot",
			       release);
	if (!*status) {
		argv[n++] = snapshot;
		memcpy(argv + n, build->patches, build->n * sizeof(*argv));
		package = ask(status, "rewriting", argv);
	}
	free(release);
	free(snapshot);
	free(series);
	return package;
}

/* What a program printed that ran as the caller: kvm-<tag>-<version> and nothing else? */
static bool is_package_of(const char *name, const char *tag)
{
	size_t n = strlen(tag);

	return !strncmp(name, "kvm-", 4) && !strncmp(name + 4, tag, n) &&
	       name[4 + n] == '-' && is_version(name + 5 + n);
}

#define RUN(how, ...) process_run(how, (const char * const[]){ __VA_ARGS__, NULL })

/* In PACKAGES, whole or not at all. Under host_lock_builds(). */
static enum status keep(const struct build *build, const char *package, const char *name)
{
	struct process how = { .folder = SCRIPTS "/..", .log = "/dev/null" };
	char *all = host_path(PACKAGES), *to = NULL, *fresh = NULL;
	int result = -ENOMEM;

	if (!is_package_of(name, build->tag))
		return fail(SYSTEM, "%s is no package of %s", name, build->tag);
	if (all && asprintf(&to, "%s/%s", all, name) >= 0 &&
	    asprintf(&fresh, "%s/.%s.new", all, name) >= 0)
		result = RUN(&how, "mkdir", "-p", all);
	if (!result)
		result = RUN(&how, "rm", "-rf", fresh);
	if (!result)
		result = RUN(&how, "cp", "-R", package, fresh);
	if (!result)
		result = RUN(&how, "sync", "-f", fresh);
	/* The same version is the same package, but for a build that was cut off. */
	if (!result)
		result = RUN(&how, "rm", "-rf", to);
	if (!result && rename(fresh, to))
		result = -errno;
	if (!result)
		result = RUN(&how, "sync", "-f", all);
	if (result)
		RUN(&how, "rm", "-rf", fresh);
	free(all);
	free(to);
	free(fresh);
	return result ? fail(SYSTEM, "cannot keep %s in " PACKAGES, name) : DONE;
}

static enum status parse(struct build *build, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		bool from = !strcmp(argv[i], "--from"),
		     series = !strcmp(argv[i], "--series");
		bool patch = !strcmp(argv[i], "--patch");

		if ((from || series || patch) && i + 1 == argc)
			return fail(USAGE,
				    "%s wants a value\nnext: multikvm build --help",
				    argv[i]);
		if (from) {
			char *path = strndup(argv[i + 1], strcspn(argv[i + 1], "#"));

			build->from = absolute(argv[++i], path);
			free(path);
		} else if (series) {
			build->series = argv[++i];
		} else if (patch && build->n < 2 * MAX_WORDS) {
			if (access(argv[++i], R_OK))
				return fail(NOT_FOUND,
					    "cannot read the patch %s: %s\nnext: ls %s",
					    argv[i], strerror(errno), argv[i]);
			build->patches[build->n++] = "--patch";
			build->patches[build->n++] = absolute(argv[i], argv[i]);
		} else if (*argv[i] == '-' || build->tag) {
			return usage(argv[0]);
		} else {
			build->tag = argv[i];
		}
	}
	if (!build->tag)
		return usage(argv[0]);
	return check_tag(build->tag);
}

static enum status package_as_json(char **argv)
{
	struct process how = { .what = "packaging" };
	json_object *paths = json_object_new_array();
	char *text, *rest, *line;
	enum status status;

	rest = text = ask_all(&status, &how, (const char * const *)argv);
	while (rest && (line = strsep(&rest, "\n")))
		if (*line)
			json_object_array_add(paths, host_text(line));
	free(text);
	if (!status)
		return report("packaged", paths);
	json_object_put(paths);
	return status;
}

enum status do_package(int argc, char **argv)
{
	char *program = scripts_program("package");
	bool help = false;
	int i;

	if (!program)
		return fail(NOT_FOUND, "what makes packages is not installed\n"
				       "next: sudo apt-get install multi-kvm-build");
	argv[0] = program;
	for (i = 1; i < argc; i++)
		help |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
	if (as_json && !help)
		return package_as_json(argv);
	process_release();
	execv(program, argv);
	return fail(SYSTEM, "cannot run %s: %s", program, strerror(errno));
}

enum status do_build(int argc, char **argv)
{
	struct build build = { .from = NULL };
	enum status status = parse(&build, argc, argv);
	char *package = NULL, *kept = NULL;
	const char *name;
	json_object *done;

	if (!build.from)
		build.from = strdup("newest");
	if (!status)
		package = make_package(&build, &status);
	name = package ? strrchr(package, '/') : NULL;
	name = name ? name + 1 : "";
	if (!status && host_is_root()) {
		status = host_lock_builds("build");
		if (!status)
			status = keep(&build, package, name);
		if (!status && asprintf(&kept, PACKAGES "/%s", name) < 0)
			status = SYSTEM;
	}
	if (!status) {
		done = json_object_new_object();
		json_object_object_add(done, "package",
				       json_object_new_string(kept ? kept : package));
		say("%s\n  next: sudo multikvm install %s", kept ? kept : package,
		    kept ? build.tag : package);
		status = report("built", done);
	}
	while (build.n) {
		free((char *)build.patches[--build.n]);
		build.n--;
	}
	free((char *)build.from);
	free(package);
	free(kept);
	return status;
}
