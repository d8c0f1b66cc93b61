// SPDX-License-Identifier: GPL-2.0-only
/*
 * vms.c - who runs where: each VM with what proc says of the process that made it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "multikvm.h"

static void add(json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, host_text(text));
}

/* The user's name, or the number where nobody has it. */
static void add_user(json_object *vm, long long pid)
{
	char *status = host_read("/proc/%lld/status", pid), *line, number[24];
	struct passwd *user = NULL;
	unsigned int uid;

	line = status ? strstr(status, "\nUid:") : NULL;
	if (line && sscanf(line, "\nUid: %u", &uid) == 1) {
		user = getpwuid(uid);
		snprintf(number, sizeof(number), "%u", uid);
		add(vm, "user", user ? user->pw_name : number);
	} else {
		add(vm, "user", NULL);
	}
	free(status);
}

/* The last part of the cgroup's path (v2) is the machine's or the service's name. */
static void add_cgroup(json_object *vm, long long pid)
{
	char *all = host_read("/proc/%lld/cgroup", pid), *line = all;

	if (line && strncmp(line, "0::", 3))
		line = strstr(line, "\n0::");
	line = line ? strstr(line, "0::") + 3 : NULL;
	if (line)
		line[strcspn(line, "\n")] = '\0';
	add(vm, "cgroup", line);
	free(all);
}

/*
 * When a process began, in seconds since 1970, or -errno: its "starttime", which follows 19 fields
 * after its name, and the boot (proc(5)).
 */
static long long began(long long pid)
{
	char *stat = host_read("/proc/%lld/stat", pid), *system = host_read("/proc/stat");
	char *at = stat ? strrchr(stat, ')') : NULL;
	char *boot = system ? strstr(system, "\nbtime ") : NULL;
	long long when = -ESRCH;
	int fields = 0;

	while (at && fields < 20 && (at = strchr(at + 1, ' ')))
		fields++;
	if (at && boot)
		when = atoll(boot + 7) + atoll(at) / sysconf(_SC_CLK_TCK);
	free(stat);
	free(system);
	return when;
}

/*
 * The VM may have outlived the process that made it, if another one has its file. What began later
 * than the VM (clocks are read in whole seconds) has only got its number.
 */
static bool is_the_same(long long pid, long long since)
{
	long long when = began(pid);

	return when >= 0 && when <= since + 2;
}

static void add_process(json_object *vm)
{
	long long pid = json_object_get_int64(json_object_object_get(vm, "pid"));
	long long since = json_object_get_int64(json_object_object_get(vm, "since"));
	long long now = time(NULL);
	char *command = host_read("/proc/%lld/comm", pid);

	json_object_object_add(vm, "age",
			       json_object_new_int64(now > since ? now - since : 0));
	add(vm, "command", command);
	add_user(vm, pid);
	add_cgroup(vm, pid);
	if (!is_the_same(pid, since)) {
		add(vm, "command", NULL);
		add(vm, "user", NULL);
		add(vm, "cgroup", NULL);
	}
	free(command);
}

enum status do_ps(int argc, char **argv)
{
	static const struct column columns[] = {
		{ "vm", "VM", true },	    { "tag", "TAG", false },
		{ "pid", "PID", true },	    { "command", "COMMAND", false },
		{ "vcpus", "VCPUS", true }, { "age", "SECONDS", true },
		{ "user", "USER", false },  { "cgroup", "CGROUP", false },
		{ NULL, NULL, false },
	};
	const char *tag = argc == 2 ? argv[1] : NULL;
	json_object *vms;
	size_t i;

	if (argc > 2)
		return usage(argv[0]);
	if (tag && !only_tag(argc, argv))
		return USAGE;
	if (!host_is_root())
		return fail(REFUSED,
			    "only root sees whose VMs there are\nnext: sudo multikvm ps");
	if (tag && !vac_has(tag))
		return fail(NOT_FOUND, "%s is not loaded\nnext: multikvm list", tag);
	vms = vac_vms(tag);
	for (i = 0; i < json_object_array_length(vms); i++)
		add_process(json_object_array_get_idx(vms, i));
	return report_rows("vms", columns, vms);
}
