// SPDX-License-Identifier: GPL-2.0-only
/*
 * move.c - a running VM goes to another instance; its VMM notices nothing. move/ does the work.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "moves.h"

#define MAX_PAUSE 300 /* ms, as QEMU's downtime-limit */
#define PATIENCE  2   /* seconds before a terminal is told what takes so long */
#define NEEDED	  (1ULL << 19 | 1ULL << 21) /* CAP_SYS_PTRACE, CAP_SYS_ADMIN */

static bool number(const char *text, unsigned int *value)
{
	char *end;
	unsigned long got = strtoul(text, &end, 10);

	*value = got;
	return *text >= '0' && *text <= '9' && !*end && got > 0 && got < 1000000;
}

static bool parse(int argc, char **argv, struct wish *wish)
{
	const char *words[2];
	int i, n = 0;
	unsigned int *to;

	*wish = (struct wish){ .max_pause = MAX_PAUSE, .parallel = 1 };
	for (i = 1; i < argc; i++) {
		to = !strcmp(argv[i], "--max-pause")  ? &wish->max_pause
		     : !strcmp(argv[i], "--parallel") ? &wish->parallel
		     : !strcmp(argv[i], "--rate")     ? &wish->rate
						      : NULL;
		if (to) {
			if (++i == argc || !number(argv[i], to))
				return false;
		} else if (!strcmp(argv[i], "--dry-run")) {
			wish->dry = true;
		} else if (!strcmp(argv[i], "--all")) {
			wish->all = true;
		} else if (*argv[i] == '-' || n == 2) {
			return false;
		} else {
			words[n++] = argv[i];
		}
	}
	if (n != 2)
		return false;
	wish->who = words[0];
	wish->from = wish->all ? words[0] : NULL;
	wish->to = words[1];
	return true;
}

long long move_member(json_object *vm, const char *key)
{
	return json_object_get_int64(json_object_object_get(vm, key));
}

static const char *tag_of(json_object *vm)
{
	return json_object_get_string(json_object_object_get(vm, "tag"));
}

/* By the process or by vac's number. */
static enum status find(json_object *vms, const char *word, json_object **found)
{
	json_object *by_vm = NULL, *vm;
	unsigned int wanted;
	size_t i;

	*found = NULL;
	if (!number(word, &wanted))
		return fail(USAGE,
			    "%s is neither a process nor the number of a VM\nnext: "
			    "multikvm ps",
			    word);
	for (i = 0; i < json_object_array_length(vms); i++) {
		vm = json_object_array_get_idx(vms, i);
		if (move_member(vm, "pid") == wanted)
			*found = vm;
		if (move_member(vm, "vm") == wanted)
			by_vm = vm;
	}
	if (!*found)
		*found = by_vm;
	if (!*found)
		return fail(NOT_FOUND,
			    "%s is no process with a VM, and no VM\nnext: multikvm ps",
			    word);
	return DONE;
}

enum status move_check(const char *from, const char *to)
{
	if (!strcmp(from, to))
		return fail(REFUSED, "it is on %s already", to);
	if (!vac_has(to))
		return fail(NOT_FOUND, "%s is not loaded\nnext: multikvm load %s", to,
			    to);
	if (vac_closed(to))
		return fail(REFUSED, "%s is closed: no VM can be made there", to);
	return DONE;
}

enum status move_rights(void)
{
	char *status = read_file("/proc/self/status");
	char *line = status ? strstr(status, "\nCapEff:") : NULL;
	unsigned long long has = 0;
	bool enough;

	enough = line && sscanf(line, "\nCapEff: %llx", &has) == 1 &&
		 (has & NEEDED) == NEEDED;
	free(status);
	if (enough)
		return DONE;
	return fail(REFUSED, "moving VMs takes CAP_SYS_PTRACE and CAP_SYS_ADMIN\n"
			     "next: the same as root");
}

static double ms(uint64_t ns)
{
	return (double)(ns / 10000) / 100;
}

static void add_ms(json_object *to, const char *key, uint64_t ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%.2f", ms(ns));
	json_object_object_add(to, key, json_object_new_double_s(ms(ns), text));
}

/* The number that vac has given the VM of a process there. */
static long long number_at(const char *tag, long long pid)
{
	json_object *vms = vac_vms(tag);
	long long found = -1;
	size_t i;

	for (i = 0; i < json_object_array_length(vms); i++)
		if (move_member(json_object_array_get_idx(vms, i), "pid") == pid)
			found = move_member(json_object_array_get_idx(vms, i), "vm");
	json_object_put(vms);
	return found;
}

json_object *move_outcome(const struct guard *guard, bool dry)
{
	const struct verdict *verdict = &guard->verdict;
	json_object *one = json_object_new_object();
	long long vm = number_at(verdict->status || dry ? guard->job.from : guard->job.to,
				 guard->job.vmm);
	char *why = strdup(verdict->why);

	json_object_object_add(one, "pid", json_object_new_int(guard->job.vmm));
	json_object_object_add(one, "vm", vm < 0 ? NULL : json_object_new_int64(vm));
	json_object_object_add(one, "from", json_object_new_string(guard->job.from));
	json_object_object_add(one, "to", json_object_new_string(guard->job.to));
	json_object_object_add(one, "moved",
			       json_object_new_boolean(!verdict->status && !dry));
	if (why)
		why[strcspn(why, "\n")] = '\0';
	json_object_object_add(one, "why", why && *why ? host_text(why) : NULL);
	json_object_object_add(one, "vcpus", json_object_new_int(verdict->vcpus));
	json_object_object_add(one, "tries", json_object_new_int(verdict->tries));
	add_ms(one, "pause_ms", verdict->stop + verdict->state + verdict->go);
	add_ms(one, "stop_ms", verdict->stop);
	add_ms(one, "state_ms", verdict->state);
	add_ms(one, "go_ms", verdict->go);
	add_ms(one, "prepare_ms", verdict->prepare);
	add_ms(one, "total_ms", verdict->total);
	free(why);
	return one;
}

/* A line that is replaced, on a terminal, once it takes long; NULL takes it away. */
void move_show(time_t since, const char *text)
{
	static bool shown;

	if (as_json || !isatty(STDERR_FILENO))
		return;
	if (text && time(NULL) - since >= PATIENCE)
		fprintf(stderr, "\r\033[K  %s", text);
	else if (!text && shown)
		fputs("\r\033[K", stderr);
	else
		return;
	shown = text;
	fflush(stderr);
}

void move_job(struct guard *guard, const struct wish *wish, json_object *vm)
{
	*guard = (struct guard){ .fd = -1,
				 .job = { .vmm = move_member(vm, "pid"),
					  .max_pause = wish->max_pause,
					  .dry = wish->dry } };
	snprintf(guard->job.from, sizeof(guard->job.from), "%s", tag_of(vm));
	snprintf(guard->job.to, sizeof(guard->job.to), "%s", wish->to);
}

static enum status move_one(const struct wish *wish, json_object *vm)
{
	enum status status = move_check(tag_of(vm), wish->to);
	json_object *result, *all = json_object_new_array();
	time_t since = time(NULL);
	struct guard guard;
	char text[80];
	int err;

	if (!status)
		status = move_rights();
	move_job(&guard, wish, vm);
	err = status ? 0 : guard_start(&guard);
	if (err)
		status = fail(SYSTEM, "cannot start who moves it: %s", strerror(-err));
	if (status) {
		json_object_put(all);
		return status;
	}
	while (guard_wait(&guard, 1, 200, process_stopped()) < 0) {
		snprintf(text, sizeof(text), "%s, %ld s", guard.stage,
			 (long)(time(NULL) - since));
		move_show(since, text);
	}
	move_show(since, NULL);
	if (guard.verdict.status) {
		json_object_put(all);
		return fail(guard.verdict.status, "%s", guard.verdict.why);
	}
	result = move_outcome(&guard, wish->dry);
	if (wish->dry)
		say("VM %lld of process %d, %d vCPU%s, can be moved from %s to %s",
		    move_member(result, "vm"), guard.job.vmm, guard.verdict.vcpus,
		    guard.verdict.vcpus == 1 ? "" : "s", guard.job.from, wish->to);
	else
		say("VM %lld of process %d, %d vCPU%s, is on %s now; it stood still for "
		    "%s ms\n"
		    "(%s to stop, %s for its state, %s to go on; %d tries; %s to "
		    "prepare, %s in all)",
		    move_member(result, "vm"), guard.job.vmm, guard.verdict.vcpus,
		    guard.verdict.vcpus == 1 ? "" : "s", wish->to,
		    json_object_get_string(json_object_object_get(result, "pause_ms")),
		    json_object_get_string(json_object_object_get(result, "stop_ms")),
		    json_object_get_string(json_object_object_get(result, "state_ms")),
		    json_object_get_string(json_object_object_get(result, "go_ms")),
		    guard.verdict.tries,
		    json_object_get_string(json_object_object_get(result, "prepare_ms")),
		    json_object_get_string(json_object_object_get(result, "total_ms")));
	if (*guard.verdict.why)
		say("then: %s", guard.verdict.why);
	json_object_array_add(all, result);
	return report("moved", all);
}

enum status do_move(int argc, char **argv)
{
	enum status status;
	json_object *vms, *vm;
	struct wish wish;

	if (!parse(argc, argv, &wish))
		return usage(argv[0]);
	status = check_tag(wish.to);
	if (!status && wish.all)
		status = check_tag(wish.from);
	if (status)
		return status;
	if (wish.all)
		return move_all(&wish);
	vms = vac_vms(NULL);
	status = find(vms, wish.who, &vm);
	if (!status)
		status = move_one(&wish, vm);
	json_object_put(vms);
	return status;
}
