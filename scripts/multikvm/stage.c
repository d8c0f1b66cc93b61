// SPDX-License-Identifier: GPL-2.0-only
/*
 * stage.c - packages are built in a dkms tree of their own, so that nobody else sees a package whose
 * build fails or is interrupted: dkms would try it again with the next kernel, and fail there.
 *
 *	stage.XXXXXX/src/NAME-VERSION		source
 *	stage.XXXXXX/dkms/NAME/VERSION/...	as in /var/lib/dkms
 *
 * It is removed at the end; that of a program that was killed by the next one's host_lock().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libkmod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "multikvm.h"

#define LOGS	   "/var/log/multi-kvm"
#define MORE_LINES 20

static char *stage, *stage_log;

#define RUN(how, ...) process_run(how, (const char * const[]){ __VA_ARGS__, NULL })

enum status stage_begin(void)
{
	char *state = host_path(STATE), *src = NULL, *dkms = NULL;
	int err = 0;

	stage = host_path(STATE "/stage.XXXXXX");
	if (!state || !stage || (mkdir(state, 0755) && errno != EEXIST))
		err = errno;
	if (!err && !mkdtemp(stage))
		err = errno;
	if (err) {
		free(stage);
		stage = NULL;
	} else if (asprintf(&src, "%s/src", stage) < 0 ||
		   asprintf(&dkms, "%s/dkms", stage) < 0 ||
		   asprintf(&stage_log, "%s/log", stage) < 0 || chmod(stage, 0755) ||
		   mkdir(src, 0755) || mkdir(dkms, 0755)) {
		err = errno;
	}
	free(state);
	free(src);
	free(dkms);
	return err ? fail(SYSTEM, "cannot make a folder in " STATE ": %s", strerror(err))
		   : DONE;
}

void stage_end(void)
{
	struct process how = { .on_host = true };
	char *state = host_path(STATE);

	if (stage)
		RUN(&how, "rm", "-rf", stage);
	if (state)
		rmdir(state);
	free(state);
	free(stage);
	free(stage_log);
	stage = stage_log = NULL;
}

char *stage_path(const char *what, const struct package *package, const char *rest)
{
	char *path;

	if (asprintf(&path, "%s/%s/%s%c%s%s", stage, what, package->name,
		     strcmp(what, "src") ? '/' : '-', package->version, rest) < 0)
		return NULL;
	return path;
}

enum status stage_source(const struct package *package)
{
	char *to = stage_path("src", package, ""), *from = NULL;
	struct process how = { .log = stage_log, .folder = package->folder };
	int result = -ENOMEM;

	/* vac's folder may be this whole project. */
	if (to && mkdir(to, 0755))
		result = -errno;
	else if (to && package_is_vac(package->name))
		result = RUN(&how, "cp", "-RL", "dkms.conf", "vac", to);
	else if (to && asprintf(&from, "%s/.", package->folder) >= 0)
		result = RUN(&how, "cp", "-R", from, to);
	free(from);
	free(to);
	if (result == -EINTR)
		return SYSTEM;
	return result ? fail(SYSTEM, "cannot copy %s%s", package->folder,
			     result < 0 ? "" : ": is the disk full?")
		      : DONE;
}

#define DIGEST "source.sha256"

/*
 * A digest of what a module is made of, to `to`: the source in the stage, since two packages of one
 * version may differ, and the kernel's own KVM, which says what an instance must mitigate and may
 * come after the headers. It is kept beside what was built.
 */
static int write_digest(const struct package *package, const char *kernel, const char *to)
{
	static const char script[] =
		"{ find . -type f -exec sha256sum {} + | sort; "
		"cat \"$1\"/*.ko* 2>/dev/null | sha256sum; } | sha256sum";
	char *source = stage_path("src", package, "");
	char *stock = host_path("/lib/modules/%s/kernel/arch/x86/kvm", kernel);
	struct process how = { .output = to, .folder = source };
	int result = source && stock ? RUN(&how, "sh", "-c", script, "sh", stock)
				     : -ENOMEM;

	free(source);
	free(stock);
	return result;
}

bool stage_same_source(const struct package *package, const char *kernel)
{
	char *mine = NULL, *now = NULL, *then;
	bool same;

	if (asprintf(&mine, "%s/now", stage) < 0)
		return false;
	unlink(mine);
	if (!write_digest(package, kernel, mine))
		now = read_file(mine);
	then = host_read("/var/lib/dkms/%s/%s/%s/" ARCH "/" DIGEST, package->name,
			 package->version, kernel);
	same = now && then && *now && !strcmp(now, then);
	free(mine);
	free(now);
	free(then);
	return same;
}

static int keep_digest(const struct package *package, const char *kernel)
{
	char *rest, *to = NULL;
	int result = -ENOMEM;

	if (asprintf(&rest, "/%s/" ARCH "/" DIGEST, kernel) >= 0) {
		to = stage_path("dkms", package, rest);
		free(rest);
	}
	if (to)
		result = write_digest(package, kernel, to);
	free(to);
	return result;
}

/* Where an instance's build looks for vac's symbols: what is built here, or else what is installed. */
int stage_vac(const char *kernel, const struct package *built)
{
	char *folder = NULL, *link = NULL, *target = NULL, *version = NULL;
	int err = -ENOMEM;

	if (asprintf(&folder, "%s/dkms/" VAC_PACKAGE, stage) < 0 ||
	    asprintf(&link, "%s/kernel-%s-" ARCH, folder, kernel) < 0)
		goto out;
	if (built) {
		if (asprintf(&target, "%s/%s/" ARCH, built->version, kernel) < 0)
			goto out;
	} else {
		version = package_installed(VAC_PACKAGE, kernel);
		err = version ? err : -ENOENT;
		if (version)
			target = host_path("/var/lib/dkms/" VAC_PACKAGE "/%s/%s/" ARCH,
					   version, kernel);
		if (!target)
			goto out;
	}
	if (mkdir(folder, 0755) && errno != EEXIST)
		err = -errno;
	else
		err = symlink(target, link) ? -errno : 0;
out:
	free(folder);
	free(link);
	free(target);
	free(version);
	return err;
}

/* A module is whole if libkmod can read it: a file that ends too early has no table of sections. */
static bool is_whole(const char *path)
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	struct kmod_list *list = NULL;
	struct kmod_module *module;
	bool whole = false;

	if (!ctx)
		return false;
	kmod_set_log_priority(ctx, 0);
	if (!kmod_module_new_from_path(ctx, path, &module)) {
		whole = kmod_module_get_info(module, &list) > 0;
		kmod_module_info_free_list(list);
		kmod_module_unref(module);
	}
	kmod_unref(ctx);
	return whole;
}

/* The one that is not whole, malloc()ed, or NULL. None at all is not whole either. */
static char *damaged(const struct package *package, const char *kernel)
{
	json_object *names = stage_modules(package, kernel);
	size_t i, n = json_object_array_length(names);
	char *bad = n ? NULL : strdup(package->name), *path, *rest;

	for (i = 0; !bad && i < n; i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(names, i));

		if (asprintf(&rest, "/%s/" ARCH "/module/%s", kernel, one) < 0)
			break;
		path = stage_path("dkms", package, rest);
		if (!path || !is_whole(path))
			bad = strdup(one);
		free(path);
		free(rest);
	}
	json_object_put(names);
	return bad;
}

json_object *stage_modules(const struct package *package, const char *kernel)
{
	json_object *modules = json_object_new_array(), *names;
	char *rest, *folder = NULL;
	size_t i;

	if (asprintf(&rest, "/%s/" ARCH "/module", kernel) >= 0) {
		folder = stage_path("dkms", package, rest);
		free(rest);
	}
	names = folder_names(folder);
	for (i = 0; i < json_object_array_length(names); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(names, i));

		if (strstr(one, ".ko"))
			json_object_array_add(modules, json_object_new_string(one));
	}
	json_object_put(names);
	free(folder);
	return modules;
}

/*
 * Why a build failed: the last line of make.log, in which vac/build.sh says what is lacking; what
 * else is, a line each; where the log is kept. dkms's own error if it did not come to that.
 */
static char *reason(const struct package *package, const char *kernel, const char *kept)
{
	char *log = stage_path("dkms", package, "/build/make.log");
	char *text = log ? read_file(log) : NULL, *said = NULL, *rest, *line;
	char prefix[64], *why = NULL, *last = NULL;
	size_t n = 0, size;
	FILE *out = open_memstream(&why, &size);

	snprintf(prefix, sizeof(prefix), "%s: lacks: ", package->name);
	if (text && out) {
		last = strrchr(text, '\n');
		fprintf(out, "%s", last ? last + 1 : text);
		rest = text;
		while ((line = strsep(&rest, "\n")) && n < MORE_LINES)
			if (!strncmp(line, prefix, strlen(prefix))) {
				fprintf(out, "\n%s", line + strlen(prefix));
				n++;
			}
		fprintf(out, "\nthe whole log: %s", kept);
	} else if (out) {
		said = read_file(stage_log);
		line = said ? strstr(said, "Error!") : NULL;
		if (line)
			line[strcspn(line, "\n")] = '\0';
		fprintf(out, "dkms cannot build %s for %s%s%s", package->name, kernel,
			line ? "\n" : "", line ? line : "");
	}
	if (out)
		fclose(out);
	free(log);
	free(text);
	free(said);
	return why;
}

/* The log of a failed build outlives the stage. */
static char *keep_log(const struct package *package, const char *kernel)
{
	char *log = stage_path("dkms", package, "/build/make.log");
	char *folder = host_path(LOGS), *to = NULL, *kept = NULL;
	struct process how = { .log = "/dev/null" };

	if (asprintf(&kept, LOGS "/%s-%s-%s.log", package->name, package->version,
		     kernel) < 0)
		kept = NULL;
	to = kept ? host_path("%s", kept) : NULL;
	if (log && folder && to && !access(log, R_OK) &&
	    (!mkdir(folder, 0755) || errno == EEXIST))
		RUN(&how, "cp", log, to);
	free(log);
	free(folder);
	free(to);
	return kept;
}

int stage_build(const struct package *package, const char *kernel, char **why)
{
	char *what = NULL, *tree = NULL, *sources = NULL, *kept, *bad;
	struct process how = { .log = stage_log };
	int result = -ENOMEM;

	*why = NULL;
	if (asprintf(&tree, "%s/dkms", stage) >= 0 &&
	    asprintf(&sources, "%s/src", stage) >= 0 &&
	    asprintf(&what, "building %s for %s", package->name, kernel) >= 0) {
		how.what = what;
		result = RUN(&how, "dkms", "build", "-m", package->name, "-v",
			     package->version, "-k", kernel, "-a", ARCH, "--dkmstree",
			     tree, "--sourcetree", sources);
	}
	free(tree);
	free(sources);
	free(what);
	if (process_stopped())
		return -EINTR;
	if (result && result != STAGE_EXCLUDED) {
		kept = keep_log(package, kernel);
		*why = reason(package, kernel, kept ? kept : "lost");
		free(kept);
		return -EIO;
	}
	if (result)
		return result;
	bad = damaged(package, kernel);
	if (bad && asprintf(why,
			    "dkms says that it built %s, but %s is not whole\n"
			    "is the disk full? next: df /var /tmp",
			    package->name, bad) < 0)
		*why = NULL;
	if (!bad && keep_digest(package, kernel)) {
		*why = strdup("cannot write a digest: is the disk full?");
		result = -EIO;
	} else {
		result = bad ? -EIO : 0;
	}
	free(bad);
	return result;
}

/* A module as the audit can read it, unpacked; malloc()ed. */
static char *unpacked(const struct package *package, const char *kernel)
{
	json_object *names = stage_modules(package, kernel);
	const char *name = json_object_get_string(json_object_array_get_idx(names, 0));
	char *rest, *from = NULL, *to = NULL;
	struct process how = { .log = stage_log };
	const char *end = strrchr(name, '.');
	int result = -1;

	if (asprintf(&rest, "/%s/" ARCH "/module/%s", kernel, name) >= 0) {
		from = stage_path("dkms", package, rest);
		free(rest);
	}
	if (from && asprintf(&to, "%s/%s%s", stage, package->name,
			     strcmp(end, ".ko") ? strstr(name, ".ko") : ".ko") >= 0)
		result = RUN(&how, "cp", from, to);
	if (!result && strcmp(end, ".ko")) {
		result = RUN(&how,
			     !strcmp(end, ".xz")    ? "xz"
			     : !strcmp(end, ".zst") ? "unzstd"
						    : "gzip",
			     "-d", to);
		*strrchr(to, '.') = '\0';
	}
	free(from);
	json_object_put(names);
	if (result) {
		free(to);
		to = NULL;
	}
	return to;
}

int stage_audit(const struct package *package, const char *kernel, char **why)
{
	char *program = scripts_program("audit"), *module, *log = NULL, *text, *rest;
	const char *line = "the audit failed";
	struct process how = { .what = "reading what was built", .as_caller = true };
	int result = -ENOMEM;

	*why = NULL;
	if (!program)
		return 0;
	module = unpacked(package, kernel);
	if (module && asprintf(&log, "%s/audit", stage) >= 0) {
		how.log = log;
		result = RUN(&how, program, module);
	}
	text = result && log ? read_file(log) : NULL;
	for (rest = text; rest;) {
		const char *one = strsep(&rest, "\n");

		if (*one && *one != '#') {
			line = one;
			break;
		}
	}
	if (!strncmp(line, stage, strlen(stage)))
		line += strlen(stage) + 1;
	if (result)
		*why = strdup(line);
	free(program);
	free(module);
	free(log);
	free(text);
	return result;
}
