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
#include <sys/utsname.h>
#include <unistd.h>

#include "multikvm.h"

#define TAG_MAX	  24
#define LOG_LINES 3
#define UNLOAD_TRIES \
	50 /* a tenth of a second each: references are dropped by delayed work */

bool is_tag(const char *word)
{
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return *word >= 'a' && *word <= 'z' && !word[n] && n <= TAG_MAX &&
	       strcmp(word, "none");
}

static char *modules_folder(void)
{
	struct utsname host;

	return uname(&host) ? NULL : host_path("/lib/modules/%s", host.release);
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

json_object *modules_installed(void)
{
	json_object *tags = json_object_new_array();
	struct utsname host;
	char *text, *rest, *line, *tag;

	if (uname(&host))
		return tags;
	rest = text = host_read("/lib/modules/%s/modules.dep", host.release);
	while (rest && (line = strsep(&rest, "\n"))) {
		tag = tag_of(line);
		if (tag)
			json_object_array_add(tags, json_object_new_string(tag));
	}
	free(text);
	json_object_array_sort(tags, by_text);
	return tags;
}

bool module_installed(const char *tag)
{
	json_object *tags = modules_installed();
	bool found = false;
	size_t i;

	for (i = 0; i < json_object_array_length(tags); i++)
		found |= !strcmp(
			json_object_get_string(json_object_array_get_idx(tags, i)), tag);
	json_object_put(tags);
	return found;
}

/* A context and kvm-<tag> in it; the caller drops both. -errno */
static int find(const char *tag, struct kmod_ctx **ctx, struct kmod_module **module)
{
	char *folder = modules_folder(), *name;
	int err = -ENOMEM;

	*ctx = folder ? kmod_new(folder, NULL) : NULL;
	free(folder);
	if (!*ctx)
		return err;
	kmod_set_log_priority(*ctx, 0);
	if (asprintf(&name, "kvm_%s", tag) >= 0) {
		err = kmod_module_new_from_name(*ctx, name, module);
		free(name);
	}
	if (err)
		kmod_unref(*ctx);
	return err;
}

json_object *module_info(const char *tag)
{
	json_object *info = json_object_new_object();
	struct kmod_list *list = NULL, *at;
	struct kmod_module *module;
	struct kmod_ctx *ctx;

	json_object_object_add(info, "snapshot", NULL);
	json_object_object_add(info, "patches", NULL);
	if (find(tag, &ctx, &module))
		return info;
	kmod_module_get_info(module, &list);
	kmod_list_foreach(at, list)
	{
		const char *key = kmod_module_info_get_key(at);

		if (!strcmp(key, "snapshot") || !strcmp(key, "patches"))
			json_object_object_add(
				info, key,
				json_object_new_string(kmod_module_info_get_value(at)));
	}
	kmod_module_info_free_list(list);
	kmod_module_unref(module);
	kmod_unref(ctx);
	return info;
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

static const char *stock_module(void)
{
	static const char * const names[] = { "kvm_amd", "kvm_intel", "kvm" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (host_has("/sys/module/%s/initstate", names[i]))
			return names[i];
	return NULL;
}

static enum status not_loaded(const char *tag, int err, const char *said)
{
	const char *why = strerror(-err);

	if (err == -ENOKEY || err == -EKEYREJECTED)
		return fail(
			REFUSED,
			"cannot load kvm-%s: the kernel does not know who signed it%s\n"
			"next: sudo mokutil --import KEY, reboot, or sign it with a key "
			"that "
			"is enrolled",
			tag, said);
	if (err == -EPERM || err == -EPROTO || err == -EOPNOTSUPP || err == -EBUSY)
		return fail(REFUSED, "cannot load kvm-%s: it is refused (%s)%s", tag, why,
			    said);
	return fail(SYSTEM, "cannot load kvm-%s: %s%s", tag, why, said);
}

enum status module_load(const char *tag)
{
	struct kmod_module *module;
	struct kmod_ctx *ctx;
	enum status status = DONE;
	const char *stock = vac_loaded() ? NULL : stock_module();
	char *said;
	int err, log;

	if (!module_installed(tag))
		return fail(
			NOT_FOUND,
			"there is no kvm-%s for the running kernel\nnext: multikvm list",
			tag);
	if (stock)
		return fail(REFUSED,
			    "cannot load kvm-%s: the stock KVM is loaded (%s)\n"
			    "next: stop its VMs, then sudo modprobe -r %s",
			    tag, stock, stock);
	err = find(tag, &ctx, &module);
	if (err)
		return fail(SYSTEM, "cannot load kvm-%s: %s", tag, strerror(-err));
	log = log_open();
	err = kmod_module_probe_insert_module(module, 0, NULL, NULL, NULL, NULL);
	said = log_said(log, tag);
	if (err)
		status = not_loaded(tag, err < 0 ? err : -EINVAL, said ? said : "");
	else if (!vac_has(tag))
		status = fail(
			REFUSED,
			"kvm-%s was not loaded: modprobe.d has something else for it\n"
			"next: modprobe --show-depends kvm-%s",
			tag, tag);
	free(said);
	kmod_module_unref(module);
	kmod_unref(ctx);
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
