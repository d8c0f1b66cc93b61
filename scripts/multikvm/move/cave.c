// SPDX-License-Identifier: GPL-2.0-only
/*
 * cave.c - a place for code before the process has memory for it: zeros at the end of a page that
 * is executable and that nobody needs. The vdso ends with such; else a file that is mapped.
 *
 * The first write gives the process a page of its own there. Twelve bytes stay until it ends: the
 * code by which the helper ends, see inject.c.
 */
#include <string.h>

#include "target.h"

struct search {
	struct target *target;
	uint64_t vdso, other;
};

/* The end of the mapping holds nothing but what an earlier move has left. */
static bool fits(struct target *target, const struct mapping *map)
{
	static const uint8_t zeros[CAVE_SIZE], end[] = CAVE_END;
	uint8_t bytes[CAVE_SIZE];

	if (map->end - map->start < CAVE_SIZE ||
	    !target_peek(target, map->end - CAVE_SIZE, bytes, sizeof(bytes)))
		return false;
	if (!memcmp(bytes, end, sizeof(end)))
		return true;
	return !memcmp(bytes, zeros, sizeof(bytes));
}

static int each(const struct mapping *map, void *data)
{
	struct search *search = data;
	bool vdso = !strcmp(map->name, "[vdso]");

	if (strcmp(map->prot, "r-xp") || (!vdso && (search->other || *map->name != '/')))
		return 0;
	if (!fits(search->target, map))
		return 0;
	if (vdso)
		search->vdso = map->end - CAVE_SIZE;
	else
		search->other = map->end - CAVE_SIZE;
	return search->vdso != 0;
}

uint64_t cave_find(struct target *target)
{
	struct search search = { .target = target };

	if (target_maps(target, each, &search) < 0)
		return 0;
	return search.vdso ? search.vdso : search.other;
}
