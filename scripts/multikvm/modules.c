// SPDX-License-Identifier: GPL-2.0-only
/*
 * modules.c - instances as modules of the running kernel, through libkmod.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "multikvm.h"

#define TAG_MAX	  24
#define LOG_LINES 3
/* A tenth of a second each: references are dropped by delayed work, and udev opens what is new. */
#define UNLOAD_TRIES 50
#define STOCK_TRIES  30

#define NOT_A_TAG(word) #word,
static const char * const not_tags[] = {
#include "../../vac/not-tags.h"
	NULL
};

static bool is_excepted(const char *word)
{
	const char * const *one;

	for (one = not_tags; *one; one++)
		if (!strcmp(word, *one))
			return true;
	return false;
}

static bool looks_like_a_tag(const char *word)
{
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return *word >= 'a' && *word <= 'z' && !word[n] && n <= TAG_MAX;
}

bool is_tag(const char *word)
{
	return looks_like_a_tag(word) && !is_excepted(word);
}

enum status check_tag(const char *word)
{
	if (!looks_like_a_tag(word))
		return fail(USAGE, "'%s' is no tag: a letter, then up to 23 of a-z 0-9 _",
			    word);
	if (is_excepted(word))
		return fail(USAGE,
			    "%s is no tag: that word means something else\n"
			    "next: another one, for example my_%s",
			    word, word);
	return DONE;
}

static char *modules_folder(void)
{
	return host_path("/lib/modules/%s", host_kernel());
}

/* The tag of a line of modules.dep, if that is an instance: kvm-<tag>, which depends on vac. */
static char *tag_of(char *line)
{
	char *colon = strchr(line, ':'), *name, *end;

	if (!colon || !strstr(colon, "/vac.ko"))
		return NULL;
	*colon = '\0';
	name = strrchr(line, '/');
	name = name ? name + 1 : line;
	end = strstr(name, ".ko");
	if (strncmp(name, "kvm-", 4) || !end)
		return NULL;
	*end = '\0';
	return is_tag(name + 4) ? name + 4 : NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(json_object_get_string(*(json_object * const *)a),
		      json_object_get_string(*(json_object * const *)b));
}

static json_object *installed_for(const char *kernel)
{
	json_object *tags = json_object_new_array();
	char *text, *rest, *line, *tag;

	rest = text = host_read("/lib/modules/%s/modules.dep", kernel);
	while (rest && (line = strsep(&rest, "\n"))) {
		tag = tag_of(line);
		if (tag)
			json_object_array_add(tags, json_object_new_string(tag));
	}
	free(text);
	json_object_array_sort(tags, by_text);
	return tags;
}

json_object *modules_installed(void)
{
	return installed_for(host_kernel());
}

bool module_installed(const char *tag)
{
	return module_installed_for(tag, host_kernel());
}

bool module_installed_for(const char *tag, const char *kernel)
{
	json_object *tags = installed_for(kernel);
	bool found = false;
	size_t i;

	for (i = 0; i < json_object_array_length(tags); i++)
		found |= !strcmp(
			json_object_get_string(json_object_array_get_idx(tags, i)), tag);
	json_object_put(tags);
	return found;
}

/* The modules of the running kernel and what modprobe.d says of them; the caller drops it. */
static struct kmod_ctx *new_context(void)
{
	char *folder = modules_folder(), *site = host_path("/etc/modprobe.d");
	const char *sites[] = { site, NULL };
	struct kmod_ctx *ctx = NULL;

	/* The folders are libkmod's to know, but where a test has its own. */
	if (folder && site)
		ctx = kmod_new(folder, strcmp(site, "/etc/modprobe.d") ? sites : NULL);
	if (ctx)
		kmod_set_log_priority(ctx, 0);
	free(folder);
	free(site);
	return ctx;
}

int module_find(const char *name, struct kmod_ctx **ctx, struct kmod_module **module)
{
	int err;

	*ctx = new_context();
	if (!*ctx)
		return -ENOMEM;
	err = kmod_module_new_from_name(*ctx, name, module);
	if (err)
		kmod_unref(*ctx);
	return err;
}

static int find(const char *tag, struct kmod_ctx **ctx, struct kmod_module **module)
{
	char name[40];

	snprintf(name, sizeof(name), "kvm_%s", tag);
	return module_find(name, ctx, module);
}

char *module_field(const char *name, const char *key)
{
	struct kmod_list *list = NULL, *at;
	struct kmod_module *module;
	struct kmod_ctx *ctx;
	char *value = NULL;

	if (module_find(name, &ctx, &module))
		return NULL;
	kmod_module_get_info(module, &list);
	kmod_list_foreach(at, list)
	{
		if (value || strcmp(kmod_module_info_get_key(at), key))
			continue;
		value = strdup(kmod_module_info_get_value(at));
	}
	kmod_module_info_free_list(list);
	kmod_module_unref(module);
	kmod_unref(ctx);
	return value;
}

json_object *module_info(const char *tag)
{
	static const char * const keys[] = { "snapshot", "patches" };
	json_object *info = json_object_new_object();
	char name[40], *value;
	size_t i;

	snprintf(name, sizeof(name), "kvm_%s", tag);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		value = module_field(name, keys[i]);
		json_object_object_add(info, keys[i], host_text(value));
		free(value);
	}
	return info;
}

static bool is_other(const char *name)
{
	char *note = host_path("/sys/module/%s/notes/.note.gnu.build-id", name);
	char *id = NULL, *file = NULL;
	struct kmod_module *module;
	struct kmod_ctx *ctx;
	size_t id_size, size;
	bool other = false;

	if (!module_find(name, &ctx, &module)) {
		const char *path = kmod_module_get_path(module);

		id = note ? read_bytes(note, &id_size) : NULL;
		/* In one that is packed it cannot be found. */
		if (id && path && !strcmp(path + strlen(path) - 3, ".ko"))
			file = read_bytes(path, &size);
		other = file && !memmem(file, size, id, id_size);
		kmod_module_unref(module);
		kmod_unref(ctx);
	}
	free(note);
	free(id);
	free(file);
	return other;
}

json_object *modules_waiting(void)
{
	json_object *all = vac_instances(), *waiting = json_object_new_array(), *tag;
	char name[40];
	size_t i;

	if (is_other("vac"))
		json_object_array_add(waiting, json_object_new_string("vac"));
	for (i = 0; i < json_object_array_length(all); i++) {
		tag = json_object_object_get(json_object_array_get_idx(all, i), "tag");
		snprintf(name, sizeof(name), "kvm_%s", json_object_get_string(tag));
		if (is_other(name))
			json_object_array_add(waiting, json_object_get(tag));
	}
	json_object_put(all);
	return waiting;
}

/* The kernel log from its end on; -1 if it cannot be read. */
static int log_open(void)
{
	char *path = host_path("/dev/kmsg");
	int fd = path ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;

	free(path);
	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * What the kernel has said since: the last lines that name vac or this module, for the error number
 * of a refused module never tells why. Each begins with a newline. Takes the file descriptor.
 */
static char *log_said(int fd, const char *tag)
{
	char record[8192], lines[LOG_LINES][200] = { "" }, name[40], *said, *text;
	ssize_t n;
	int i;

	snprintf(name, sizeof(name), "kvm_%s: ", tag);
	while (fd >= 0 &&
	       ((n = read(fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE)) {
		if (n <= 0)
			continue; /* it was overwritten; the next one is there */
		record[n] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		text[strcspn(text, "\n")] = '\0';
		if (strncmp(text + 1, "vac: ", 5) &&
		    strncmp(text + 1, name, strlen(name)))
			continue;
		memmove(lines[0], lines[1], sizeof(lines) - sizeof(lines[0]));
		snprintf(lines[LOG_LINES - 1], sizeof(lines[0]), "\n%.198s", text + 1);
	}
	if (fd >= 0)
		close(fd);
	said = calloc(1, sizeof(lines));
	for (i = 0; said && i < LOG_LINES; i++)
		strcat(said, lines[i]);
	return said;
}

static const char * const stock[] = { "kvm_amd", "kvm_intel", "kvm" };

const char *modules_stock(void)
{
	size_t i;

	for (i = 0; i < sizeof(stock) / sizeof(stock[0]); i++)
		if (host_has("/sys/module/%s/initstate", stock[i]))
			return stock[i];
	return NULL;
}

const char *modules_stock_of_cpu(void)
{
	char *text = host_read("/proc/cpuinfo");
	const char *name = !text		  ? NULL
			   : strstr(text, " svm") ? "kvm_amd"
			   : strstr(text, " vmx") ? "kvm_intel"
						  : NULL;

	free(text);
	return name;
}

/* Load or remove a module by its name. -errno */
static int by_name(const char *name, bool load)
{
	struct kmod_module *module;
	struct kmod_ctx *ctx;
	int err = module_find(name, &ctx, &module);

	if (err)
		return err;
	err = load ? kmod_module_probe_insert_module(module, 0, NULL, NULL, NULL, NULL)
		   : kmod_module_remove_module(module, O_NONBLOCK);
	kmod_module_unref(module);
	kmod_unref(ctx);
	return err;
}

/* -EAGAIN and -EBUSY for a while: udev may be loading it, or probing what it made. */
static int remove_stock(const char *name)
{
	int err, tries;

	for (tries = 0; tries < STOCK_TRIES; tries++) {
		err = by_name(name, false);
		if (err != -EAGAIN && err != -EBUSY)
			break;
		usleep(100000);
	}
	return err == -ENOENT ? 0 : err;
}

/* Those of the stock modules that are loaded go, unless somebody has one of them open. -errno */
static int unload_stock(void)
{
	int err = 0;
	size_t i;

	for (i = 0; !err && i < sizeof(stock) / sizeof(stock[0]); i++)
		if (host_has("/sys/module/%s/initstate", stock[i]))
			err = remove_stock(stock[i]);
	if (err)
		modules_load_stock(); /* kvm may be held where the vendor's module was not */
	return err;
}

enum status modules_load_stock(void)
{
	const char *name = modules_stock_of_cpu();
	int err = name ? by_name(name, true) : 0;

	return err ? fail(SYSTEM,
			  "no KVM is loaded: cannot load %s: %s\nnext: sudo modprobe %s",
			  name, strerror(-err), name)
		   : DONE;
}

enum status modules_unload_vac(void)
{
	static const char * const names[] = { "vac_vfio", "vac" };
	size_t i;
	int err;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!host_has("/sys/module/%s/initstate", names[i]))
			continue;
		err = by_name(names[i], false);
		if (err)
			return fail(err == -EAGAIN || err == -EBUSY ? REFUSED : SYSTEM,
				    "cannot unload %s: %s\nnext: lsmod | grep %s",
				    names[i], strerror(-err), names[i]);
	}
	return DONE;
}

static enum status not_loaded(const char *tag, int err, const char *said)
{
	char name[40], *problem, *next;
	enum status status;

	/* vac is loaded first; its interface is in sysfs only if that went well. */
	snprintf(name, sizeof(name), "kvm-%s", tag);
	if ((err == -ENOKEY || err == -EKEYREJECTED || err == -EPERM) &&
	    signature_problem(vac_loaded() ? name : "vac", &problem, &next)) {
		status = fail(REFUSED, "cannot load kvm-%s: %s\nnext: %s", tag, problem,
			      next);
		free(problem);
		free(next);
		return status;
	}
	if (err == -ENOKEY || err == -EKEYREJECTED)
		return fail(
			REFUSED,
			"cannot load kvm-%s: the kernel rejects the signature of %s%s\n"
			"next: compare modinfo -F sig_key %s with mokutil "
			"--list-enrolled: a key of that name is enrolled, but perhaps "
			"not "
			"this one",
			tag, vac_loaded() ? name : "vac", said,
			vac_loaded() ? name : "vac");
	if (err == -EPERM || err == -EPROTO || err == -EOPNOTSUPP || err == -EBUSY)
		return fail(REFUSED, "cannot load kvm-%s: it is refused (%s)%s", tag,
			    strerror(-err), said);
	return fail(SYSTEM, "cannot load kvm-%s: %s%s", tag, strerror(-err), said);
}

/* Loads it; the errors of the kernel are in `said`. */
static int insert(const char *tag, char **said)
{
	json_object *lost = json_object_new_array();
	struct kmod_module *module;
	struct kmod_ctx *ctx;
	char *options;
	int err, log;
	size_t i;

	*said = NULL;
	err = find(tag, &ctx, &module);
	if (!err) {
		options = module_options(ctx, module, lost);
		log = log_open();
		err = kmod_module_probe_insert_module(module, 0, options, NULL, NULL,
						      NULL);
		*said = log_said(log, tag);
		free(options);
		kmod_module_unref(module);
		kmod_unref(ctx);
	}
	for (i = 0; !err && i < json_object_array_length(lost); i++)
		say("  not carried over, for %s has no such parameter: %s", tag,
		    json_object_get_string(json_object_array_get_idx(lost, i)));
	json_object_put(lost);
	return err > 0 ? -EINVAL : err;
}

enum status module_load(const char *tag)
{
	const char *there = vac_loaded() ? NULL : modules_stock();
	enum status status = DONE;
	char *said;
	int err;

	if (!module_installed(tag))
		return fail(
			NOT_FOUND,
			"there is no kvm-%s for the running kernel\nnext: multikvm list",
			tag);
	err = there ? unload_stock() : 0;
	if (err)
		return fail(REFUSED,
			    "cannot load kvm-%s: the stock KVM is in use (%s: %s)\n"
			    "next: stop its VMs, see sudo fuser -v /dev/kvm",
			    tag, there, strerror(-err));
	if (there)
		say("unloaded the stock KVM, which nobody used");
	err = insert(tag, &said);
	if (err)
		status = not_loaded(tag, err, said ? said : "");
	else if (!vac_has(tag))
		status = fail(
			REFUSED,
			"kvm-%s was not loaded: modprobe.d has something else for it\n"
			"next: modprobe --show-depends kvm-%s",
			tag, tag);
	free(said);
	if (status && there) {
		modules_unload_vac();
		if (!modules_load_stock())
			say("the stock KVM is loaded again");
	}
	return status;
}

enum status module_unload(const char *tag)
{
	struct kmod_module *module;
	struct kmod_ctx *ctx;
	int err = find(tag, &ctx, &module), tries;

	if (err)
		return fail(SYSTEM, "cannot unload kvm-%s: %s", tag, strerror(-err));
	for (tries = 0; tries < UNLOAD_TRIES; tries++) {
		err = kmod_module_remove_module(module, O_NONBLOCK);
		if (err != -EAGAIN && err != -EBUSY)
			break;
		usleep(100000);
	}
	kmod_module_unref(module);
	kmod_unref(ctx);
	if (err == -EAGAIN || err == -EBUSY)
		return fail(REFUSED,
			    "kvm-%s is in use, though it has no VM: something has its "
			    "device open\n"
			    "next: sudo fuser -v /dev/kvm-%s /dev/kvm",
			    tag, tag);
	return err ? fail(SYSTEM, "cannot unload kvm-%s: %s", tag, strerror(-err)) : DONE;
}
