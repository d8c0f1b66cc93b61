/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls of multikvm, for scenarios that need the tool. */
#ifndef TOOL_H
#define TOOL_H

#include <sys/types.h>

extern char tool_said[4096]; /* by the last call, on both outputs */

/* What it expects of a host and a machine does not have. */
void tool_folders(void);

/* Runs it as that user, 0 for root, with one more group; its exit status, or -1. */
int tool_as(uid_t user, gid_t group, const char * const argv[]);

#define tool(...) tool_as(0, 0, (const char * const[]){ "multikvm", __VA_ARGS__, NULL })

/* A result: the status was that, and the words were said. */
void tool_says(int status, int want, const char *words, const char *claim);

/*
 * The installed module of that name: its signature is no longer found, and the rest is as it was.
 * 0 or -errno.
 */
int tool_take_signature(const char *name);

#endif
