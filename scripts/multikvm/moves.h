/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * moves.h - what `multikvm move` of one VM and of all have in common.
 */
#ifndef MOVES_H
#define MOVES_H

#include <time.h>

#include "move/guard.h"
#include "multikvm.h"

struct wish {
	const char *who;  /* a PID or a VM, */
	const char *from; /* or --all of an instance */
	const char *to;
	unsigned int max_pause, parallel, rate;
	bool all, dry;
};

long long move_member(json_object *vm, const char *key); /* of vac_vms(), a number */
enum status move_check(const char *from, const char *to);
enum status move_rights(void);
void move_job(struct guard *guard, const struct wish *wish, json_object *vm);
json_object *move_outcome(const struct guard *guard, bool dry);
/* A line that is replaced, on a terminal, once it takes long; NULL takes it away. */
void move_show(time_t since, const char *text);

/* moves.c */
enum status move_all(const struct wish *wish);

#endif
