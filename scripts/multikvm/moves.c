// SPDX-License-Identifier: GPL-2.0-only
/*
 * moves.c - all VMs of an instance go to another one, and then it is unloaded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moves.h"

struct moves {
	const struct wish *wish;
	struct guard *guards;
	int n, next, running, moved;
	json_object *outcomes;
	struct timespec begin; /* when the next may begin */
	time_t since;
	bool stopped;
};

static bool tried(const struct moves *moves, long long pid)
{
	int i;

	for (i = 0; i < moves->n; i++)
		if (moves->guards[i].job.vmm == pid)
			return true;
	return false;
}

/* VMs that were not there before; true if there are any. */
static bool add_new(struct moves *moves)
{
	json_object *vms = vac_vms(moves->wish->from), *vm;
	struct guard *more;
	bool found = false;
	size_t i;

	for (i = 0; i < json_object_array_length(vms); i++) {
		vm = json_object_array_get_idx(vms, i);
		if (tried(moves, move_member(vm, "pid")))
			continue;
		more = realloc(moves->guards, (moves->n + 1) * sizeof(*more));
		if (!more)
			break;
		moves->guards = more;
		move_job(&more[moves->n++], moves->wish, vm);
		found = true;
	}
	json_object_put(vms);
	return found;
}

static bool may_begin(struct moves *moves)
{
	struct timespec now;

	if (moves->stopped || moves->next == moves->n ||
	    moves->running >= (int)moves->wish->parallel)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > moves->begin.tv_sec ||
	       (now.tv_sec == moves->begin.tv_sec && now.tv_nsec >= moves->begin.tv_nsec);
}

static void begin(struct moves *moves)
{
	struct guard *guard = &moves->guards[moves->next++];
	int err = guard_start(guard);

	if (err) {
		guard->verdict.status = SYSTEM;
		snprintf(guard->verdict.why, sizeof(guard->verdict.why), "%s",
			 strerror(-err));
	} else {
		moves->running++;
	}
	if (!moves->wish->rate)
		return;
	clock_gettime(CLOCK_MONOTONIC, &moves->begin);
	moves->begin.tv_nsec += 1000000000L / moves->wish->rate;
	if (moves->begin.tv_nsec >= 1000000000L) {
		moves->begin.tv_sec++;
		moves->begin.tv_nsec -= 1000000000L;
	}
}

static void take(struct moves *moves, const struct guard *guard)
{
	json_object *one = move_outcome(guard, moves->wish->dry);
	const struct verdict *verdict = &guard->verdict;
	int first = strcspn(verdict->why, "\n");

	moves->moved += !verdict->status;
	move_show(moves->since, NULL);
	if (verdict->status)
		say("process %d stays on %s: %.*s", guard->job.vmm, guard->job.from,
		    first, verdict->why);
	else if (moves->wish->dry)
		say("process %d can be moved", guard->job.vmm);
	else
		say("process %d is on %s, it stood still for %s ms", guard->job.vmm,
		    guard->job.to,
		    json_object_get_string(json_object_object_get(one, "pause_ms")));
	json_object_array_add(moves->outcomes, one);
}

static void run(struct moves *moves)
{
	char text[80];
	int ended;

	while (moves->running || (moves->next < moves->n && !moves->stopped)) {
		while (may_begin(moves))
			begin(moves);
		ended = guard_wait(moves->guards, moves->next, 50, moves->stopped);
		if (ended >= 0) {
			moves->running--;
			take(moves, &moves->guards[ended]);
		}
		moves->stopped |= process_stopped();
		snprintf(text, sizeof(text), "%d of %d VMs, %ld s", moves->moved,
			 moves->n, (long)(time(NULL) - moves->since));
		move_show(moves->since, text);
	}
}

/* New VMs must not come to it meanwhile. */
static enum status check(const struct wish *wish)
{
	enum status status;
	char *now;

	if (!vac_has(wish->from))
		return fail(NOT_FOUND, "%s is not loaded\nnext: multikvm list",
			    wish->from);
	status = move_check(wish->from, wish->to);
	if (status)
		return status;
	now = vac_default();
	if (now && !strcmp(now, wish->from))
		status = fail(REFUSED,
			      "%s is the default: new VMs would go to it\nnext: multikvm "
			      "use %s",
			      wish->from, wish->to);
	free(now);
	return status ? status : move_rights();
}

enum status move_all(const struct wish *wish)
{
	struct moves moves = { .wish = wish, .since = time(NULL) };
	enum status status = check(wish);
	int left;

	if (status)
		return status;
	moves.outcomes = json_object_new_array();
	while (!moves.stopped && add_new(&moves))
		run(&moves);
	move_show(moves.since, NULL);
	left = moves.n - moves.moved;
	free(moves.guards);
	if (!left && !moves.stopped && !wish->dry) {
		status = host_lock("move");
		if (!status)
			status = module_unload(wish->from);
		if (status) {
			json_object_put(moves.outcomes);
			return status;
		}
	}
	say("%d VM%s %s%s", moves.moved, moves.moved == 1 ? "" : "s",
	    wish->dry ? "can be moved" : "moved",
	    left	? ""
	    : wish->dry ? ""
			: "; the instance is unloaded");
	status = report("moved", moves.outcomes);
	return left && !status ? REFUSED : status;
}
