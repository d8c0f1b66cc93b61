// SPDX-License-Identifier: GPL-2.0-only
/*
 * leftovers.c - helpers of guards that were killed. Most end by themselves. In a VMM with filters
 * of system calls one waits in the kernel, since it could make no call without a tracer: it ends
 * here, with all that it had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define PATIENCE (5000 * MS)

struct search {
	struct target *target;
	struct parasite found;
};

/* The data of a parasite follow its code, which begins with a number, as they do. */
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
	return found->magic == PARASITE_MAGIC && found->base == map->start &&
	       found->ready == 1;
}

int leftovers_remove(struct target *target)
{
	struct search search = { .target = target };
	uint64_t until = now_ns() + PATIENCE;
	struct thread *thread;
	int found, err;

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
		/* It goes on as the helper of this guard. */
		err = thread_seize(target, search.found.cloned, &thread);
		if (!err)
			err = thread_stop(target, thread, until);
		if (!err)
			err = thread_to_helper(target, search.found.cloned, true, until);
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
