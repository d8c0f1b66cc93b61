/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the first disk by programmed I/O, for the boot loader and for the init of a machine that was
 * saved: an emulator moves a sector in few steps, and the kernel has no driver for this disk.
 *
 * Whoever includes it has outb(value, port), inb(port) and insw(port, to, count) as sys/io.h has them.
 */
#ifndef ATA_H
#define ATA_H

#include <stdint.h>

#define ATA_DATA    0x1f0
#define ATA_COUNT   0x1f2
#define ATA_LBA_0   0x1f3
#define ATA_LBA_1   0x1f4
#define ATA_LBA_2   0x1f5
#define ATA_DRIVE   0x1f6
#define ATA_COMMAND 0x1f7
#define ATA_STATUS  0x1f7
#define ATA_CONTROL 0x3f6
#define ATA_QUIET   0x02
#define ATA_BUSY    0x80
#define ATA_REQUEST 0x08
#define ATA_ERROR   0x21 /* or a drive fault */
#define ATA_READ    0x20
#define SECTOR	    512
#define MAX_SECTORS 256

/* The disk shall not interrupt. */
static inline void ata_quiet(void)
{
	outb(ATA_QUIET, ATA_CONTROL);
}

/* At most MAX_SECTORS. Returns what follows them in memory; failed() does not return. */
static inline void *ata_read(void *to, uint32_t sector, uint32_t count,
			     void (*failed)(uint32_t sector, uint8_t status))
{
	outb(count, ATA_COUNT); /* 0 means 256 */
	outb(sector, ATA_LBA_0);
	outb(sector >> 8, ATA_LBA_1);
	outb(sector >> 16, ATA_LBA_2);
	outb(0xe0 | sector >> 24, ATA_DRIVE);
	outb(ATA_READ, ATA_COMMAND);
	while (count--) {
		uint8_t status;

		do {
			status = inb(ATA_STATUS);
			if (status & ATA_ERROR && !(status & ATA_BUSY))
				failed(sector, status);
		} while (status & ATA_BUSY || !(status & ATA_REQUEST));
		insw(ATA_DATA, to, SECTOR / 2);
		to = (char *)to + SECTOR;
	}
	return to;
}

#endif
