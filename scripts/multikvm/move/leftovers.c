// SPDX-License-Identifier: GPL-2.0-only
/*
 * leftovers.c - helpers of guards that were killed. Most end by themselves. In a VMM with filters
 * of system calls one waits in the kernel, since it could make no call without a tracer: it ends
 * here, with all that it had.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define PATIENCE (5000 * MS)
#define ROUNDS	 16

struct search {
	struct target *target;
	struct parasite found;
	pid_t helper;
};

/* The number of a thread in its own namespace, the last of that line; 0: there is none. */
static pid_t inner_number(pid_t pid, const char *tid)
{
	char path[80], line[256], *last;
	pid_t number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", pid, tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "NSpid:", 6))
			continue;
		last = strrchr(line, '\t');
		number = last ? atoi(last) : 0;
		break;
	}
	if (file)
		fclose(file);
	return number;
}

/* The thread of the process that calls itself so, or 0. */
static pid_t thread_called(pid_t pid, pid_t name)
{
	struct dirent *entry;
	char path[64];
	pid_t tid = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && !tid && (entry = readdir(tasks)))
		if (*entry->d_name != '.' && inner_number(pid, entry->d_name) == name)
			tid = atoi(entry->d_name);
	if (tasks)
		closedir(tasks);
	return tid;
}

/*
 * The data of a parasite follow its code, which begins with a number, as they do. The VMM may have
 * written all of that: what counts is a thread of its own that may be the helper.
 */
static int each(const struct mapping *map, void *data)
{
	struct search *search = data;
	struct parasite *found = &search->found;
	size_t size = offsetof(struct parasite, undo);
	uint64_t magic;

	if (strcmp(map->prot, "r-xp") || *map->name ||
	    map->end - map->start < PARASITE_STUBS)
		return 0;
	/* It may go meanwhile. */
	if (!target_peek(search->target, map->start, &magic, sizeof(magic)) ||
	    magic != PARASITE_MAGIC ||
	    !target_peek(search->target, map->end, found, size))
		return 0;
	if (found->magic != PARASITE_MAGIC || found->base != map->start ||
	    found->ready != 1 || found->cloned <= 0)
		return 0;
	search->helper = thread_called(search->target->pid, found->cloned);
	return search->helper > 0;
}

int leftovers_remove(struct target *target)
{
	struct search search = { .target = target };
	uint64_t until = now_ns() + PATIENCE;
	struct thread *thread;
	int found, err, rounds = 0;

	while ((found = target_maps(target, each, &search)) > 0) {
		if (!search.found.keep_open) {
			/* It ends by itself, as soon as it has undone what it made. */
			threads_wait(target, now_ns() + MS);
			if (now_ns() < until)
				continue;
			return target_fail(target, SYSTEM,
					   "an earlier move of process %d does not end",
					   target->pid);
		}
		if (++rounds > ROUNDS)
			return target_fail(
				target, REFUSED,
				"process %d has more than %d threads that earlier "
				"moves seem to have left\n"
				"next: do not trust its VMM",
				target->pid, ROUNDS);
		/* It goes on as the helper of this guard. */
		err = thread_seize(target, search.helper, &thread);
		if (!err)
			err = thread_stop(target, thread, until);
		thread = threads_find(target, search.helper);
		if (!err && thread && thread->filtered)
			err = thread_suspend_filters(target, thread);
		if (!err)
			err = thread_to_helper(target, search.helper, true, until);
		if (err)
			return err;
		err = helper_take_socket(target, search.found.peer);
		if (err)
			return err;
		err = helper_end(target, until);
		close(target->socket);
		target->socket = -1;
		target->helper = 0;
		if (err)
			return err;
	}
	return found;
}
