// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine that was saved before it had a scenario, and goes on with one that is on its disk
 * (machine_intel.py).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../boot/ata.h"
#include "init.h"

/* Where a machine with Bochs asks to be saved (tests/vm/bochs). */
#define END_PORT  0x8900
#define END_SAVED 'M'

static void cannot_read(uint32_t sector, uint8_t status)
{
	give_up("reading the disk from sector %u: status %#x", sector, status);
}

static unsigned long hex(const char *digits)
{
	char text[9];

	memcpy(text, digits, 8);
	text[8] = '\0';
	return strtoul(text, NULL, 16);
}

static void unpack_one(const char *name, mode_t mode, const char *data, size_t size)
{
	char target[4096];
	int fd, err;

	if (S_ISCHR(mode) || !strcmp(name, "init"))
		return; /* devtmpfs has the one, and this is the other */
	if (S_ISDIR(mode)) {
		if (mkdir(name, mode & 07777) && errno != EEXIST)
			give_up("making %s: %s", name, strerror(errno));
	} else if (S_ISLNK(mode)) {
		snprintf(target, sizeof(target), "%.*s", (int)size, data);
		if (symlink(target, name))
			give_up("making %s: %s", name, strerror(errno));
	} else {
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode & 07777);
		if (fd < 0)
			give_up("making %s: %s", name, strerror(errno));
		err = write_all(fd, data, size);
		close(fd);
		if (err)
			give_up("writing %s: %s", name, strerror(-err));
	}
}

/*
 * Here the host saves the machine. It goes on from here any number of times, each time with
 * another archive on the disk: its size as text in one sector, then what is the initramfs
 * of a machine that boots (boot/initramfs.py).
 */
void wait_for_scenario(void)
{
	char first[SECTOR], *archive, *at;
	size_t size, sectors;

	if (iopl(3))
		give_up("iopl: %s", strerror(errno));
	ata_quiet();
	outb(END_SAVED, END_PORT);

	ata_read(first, 0, 1, cannot_read);
	first[SECTOR - 1] = '\0';
	if (sscanf(first, "archive %zu", &size) != 1)
		give_up("this machine was not saved, or has no archive on its disk");
	sectors = (size + SECTOR - 1) / SECTOR;
	archive = mmap(NULL, sectors * SECTOR, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (archive == MAP_FAILED)
		give_up("an archive of %zu bytes: %s", size, strerror(errno));
	at = archive;
	for (size_t i = 0; i < sectors; i += MAX_SECTORS)
		at = ata_read(at, 1 + i,
			      sectors - i < MAX_SECTORS ? sectors - i : MAX_SECTORS,
			      cannot_read);
	iopl(0);

	umask(0);
	for (at = archive;;) {
		mode_t mode = hex(at + 14);
		size_t length = hex(at + 54), name_size = hex(at + 94);
		char *name = at + 110, *data = at + ((110 + name_size + 3) & ~3UL);

		if (memcmp(at, "070701", 6))
			give_up("the archive is damaged at %zu", (size_t)(at - archive));
		if (!strcmp(name, "TRAILER!!!"))
			break;
		unpack_one(name, mode, data, length);
		at = data + ((length + 3) & ~3UL);
	}
	munmap(archive, sectors * SECTOR);
	umask(022);
}
