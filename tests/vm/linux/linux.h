/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stock Linux guests in stock QEMU, each on a KVM device of our choice: for programs that run
 * inside the emulated machine with the folder that tests/vm/linux/collect made.
 *
 * QEMU opens /dev/kvm and nothing else, so each one sees its device there, by a private mount.
 * Functions return 0 or -errno; linux_why() has the reason, and the end of the guest's console.
 */
#ifndef LINUX_H
#define LINUX_H

#include <stdbool.h>
#include <sys/types.h>

#define LINUX_CPUS     2 /* if no other number is wanted */
#define LINUX_MAX_CPUS 4

struct linux_options {
	int cpus;
	bool devices; /* a virtio disk and two network interfaces at one hub, all busy */
};

struct linux_guest {
	char device[48];
	struct linux_options options;
	pid_t pid;   /* QEMU; 0 when it has ended */
	int in, out; /* of the guest's console */
	char line[512];
	unsigned int used;
	char last[4][200]; /* the last lines that are no beats */
	/* What its last beat said; beats is 0 until it has reached its init. */
	unsigned long beats, uptime_ms, wrong;
	int cpus;
	unsigned long rounds[LINUX_MAX_CPUS], blocks, frames;
};

/* "/dev/kvm" is taken as it is. Without options: LINUX_CPUS, and no device. */
int linux_start(struct linux_guest *g, const char *device,
		const struct linux_options *options);
/* Takes in what the guest wrote; -ESRCH when QEMU has ended. */
int linux_look(struct linux_guest *g);
/* Until its init counts, on all CPUs. */
int linux_wait_up(struct linux_guest *g, int seconds);
/*
 * Until each CPU has done so many more rounds (about 50 a second), and each device has carried
 * something more, nothing of it wrong.
 */
int linux_advances(struct linux_guest *g, unsigned int rounds, int seconds);
/* Asks the guest to reset; QEMU then ends with status 0. */
int linux_stop(struct linux_guest *g, int seconds);
const char *linux_why(void);

#endif
