/* SPDX-License-Identifier: GPL-2.0-only */
/* Work for a guest's virtio devices, where there are any: each block and each frame has a number. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdatomic.h>

/* How many blocks were written and read, how many frames came, and what was wrong with either. */
extern atomic_ulong traffic_blocks, traffic_frames, traffic_wrong;

/* Loads the modules of the initramfs and starts a thread for each device. */
void traffic_start(void);

#endif
