/* SPDX-License-Identifier: GPL-2.0-only */
/* A Linux guest that multikvm moves between the instances a and b, which are loaded. */
#ifndef LINUX_MOVES_H
#define LINUX_MOVES_H

/*
 * From its boot on, to and fro, `moves` times; the guest has so many CPUs, and on the Intel machine
 * busy devices: with these the AMD machine's guests reset themselves now and then, and without any
 * move its host panics. Each claim is one result. It is stopped at the end.
 */
void linux_moves(int cpus, int moves);

#endif
