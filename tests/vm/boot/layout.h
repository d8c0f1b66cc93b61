/* SPDX-License-Identifier: GPL-2.0-only */
/* What the boot sector, the loader and the host (disk.py) agree on. */
#ifndef LAYOUT_H
#define LAYOUT_H

#define MEMORY_MAP     0x5000
#define LOADER	       0x8000
#define LOADER_SECTORS 12 /* the code, and in the last HEADER_SECTORS the header */
#define HEADER_SECTORS 6
#define HEADER	       (LOADER + (LOADER_SECTORS - HEADER_SECTORS) * 512)
#define LOADER_STACK   0x80000
#define HEADER_PIECES  16
#define COMMAND_LINE   2048

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Something to copy from the disk to memory, and how much zero follows it there. */
struct piece {
	uint32_t sector;
	uint32_t sectors;
	uint32_t to;
	uint32_t zero_at;
	uint32_t zeros;
};

/* Written by disk.py. */
struct header {
	uint32_t entry; /* of the kernel: 32-bit, PVH */
	uint32_t initrd;
	uint32_t initrd_size;
	uint32_t pieces;
	struct piece piece[HEADER_PIECES];
	char command_line[COMMAND_LINE];
};
#endif
#endif
