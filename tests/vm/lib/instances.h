/* SPDX-License-Identifier: GPL-2.0-only */
/* vac and the instances a and b: what nearly every scenario begins and ends with. */
#ifndef INSTANCES_H
#define INSTANCES_H

#define VAC "/sys/kernel/vac"

extern const char * const tags[2]; /* "a", "b" */

/* Loads vac, then a, then b. Ends the program if one does not load. */
void load_vac(void);
void load_two(void);
int load_instance(const char *tag);   /* 0 or -errno */
int unload_instance(const char *tag); /* waits a little for delayed work */
/* Unloads both and vac, each a result. */
void unload_two(void);

const char *device_of(const char *tag); /* "/dev/kvm-a"; tag "" is "/dev/kvm" */
long long vac_number(const char *file); /* of VAC/<file>, or -errno */
/* vms, vcpus, references of an instance, or -errno. */
long long instance_number(const char *tag, const char *file);
/* The same until it is `want`, or the seconds are over. */
long long instance_number_within(const char *tag, const char *file, long long want,
				 int seconds);
/*
 * Is a patch of that name in it? A patch is left out of an instance whose KVM has the fix itself
 * (its when:), so this also says whether the snapshot lacked it. 1, 0 or -errno.
 */
int instance_patched(const char *tag, const char *patch);
const char *default_tag(void);	  /* static buffer; "?" if unreadable */
int set_default(const char *tag); /* 0 or -errno */

/* Virtualization is on (or off) on all CPUs, as the CPUs and as vac say: two results. */
void ok_virt(int on, const char *when);

#endif
