/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel modules, by the names of their files in /modules. All return 0 or -errno. */
#ifndef MOD_H
#define MOD_H

#include <stdbool.h>

/* /modules/<file>.ko, e.g. "kvm-a"; params as for insmod, "" for none. */
int mod_insert(const char *file, const char *params);
int mod_remove(const char *file); /* never waits, never forces */
bool mod_loaded(const char *file);
bool mod_there(const char *file);     /* is the file in /modules? */
int mod_references(const char *file); /* or -errno */
/* Removes, trying again while it is busy: references may be dropped by delayed work. */
int mod_remove_within(const char *file, int seconds);
/*
 * What stock KVM and the instances need of other modules, what cpu.h needs, and on the AMD machine
 * hold-static-keys, against a fault of its emulator; absent ones are left out.
 */
int mod_insert_needed(void);

#endif
