// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads an unpacked kernel and its initramfs from the disk into memory and says how to enter it.
 *
 * The kernel is entered by the PVH protocol (xen/include/public/arch-x86/hvm/start_info.h): in
 * 32-bit mode with a pointer to a start info, which also QEMU does with a vmlinux. So nothing
 * runs the kernel's real-mode setup, and nothing gets decompressed in the emulator, where that
 * alone takes longer than the whole rest of a boot.
 *
 * Runs in 32-bit mode without paging, where sector.S put it.
 */
#include "layout.h"

#define ATA_DATA    0x1f0
#define ATA_COUNT   0x1f2
#define ATA_LBA_0   0x1f3
#define ATA_LBA_1   0x1f4
#define ATA_LBA_2   0x1f5
#define ATA_DRIVE   0x1f6
#define ATA_COMMAND 0x1f7
#define ATA_STATUS  0x1f7
#define ATA_BUSY    0x80
#define ATA_REQUEST 0x08
#define ATA_ERROR   0x21 /* or a drive fault */
#define ATA_READ    0x20

#define START_INFO_MAGIC 0x336ec578
#define MAX_MAP		 64

struct start_info {
	uint32_t magic, version, flags, modules;
	uint64_t module_list, command_line, rsdp, map;
	uint32_t map_entries, reserved;
};

struct module {
	uint64_t at, size, command_line, reserved;
};

/* As int 15h gives it, with the padding of a PVH map. */
struct map_entry {
	uint64_t at, size;
	uint32_t type, reserved;
};

static struct start_info start_info;
static struct module initrd;

static inline void outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* One letter on the console. */
static _Noreturn void fail(char what)
{
	outb(0x3f8, what);
	for (;;)
		asm volatile("hlt");
}

/* Programmed I/O: the emulator moves a sector in few steps. At most 256 sectors. */
static void *read_some(void *to, uint32_t sector, uint32_t count)
{
	outb(ATA_COUNT, count); /* 0 means 256 */
	outb(ATA_LBA_0, sector);
	outb(ATA_LBA_1, sector >> 8);
	outb(ATA_LBA_2, sector >> 16);
	outb(ATA_DRIVE, 0xe0 | sector >> 24);
	outb(ATA_COMMAND, ATA_READ);
	while (count--) {
		uint32_t words = 256;
		uint8_t status;

		do {
			status = inb(ATA_STATUS);
			if (status & ATA_ERROR && !(status & ATA_BUSY))
				fail('R');
		} while (status & ATA_BUSY || !(status & ATA_REQUEST));
		asm volatile("rep insw"
			     : "+D"(to), "+c"(words)
			     : "d"(ATA_DATA)
			     : "memory");
	}
	return to;
}

static void read_piece(const struct piece *p)
{
	uint32_t sector = p->sector, left = p->sectors, words = p->zeros / 4;
	void *to = (void *)p->to;

	while (left) {
		uint32_t count = left < 256 ? left : 256;

		to = read_some(to, sector, count);
		sector += count;
		left -= count;
	}
	to = (void *)p->zero_at;
	asm volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(0) : "memory");
}

/* The start info for the kernel, and in the upper half the address at which to enter it. */
uint64_t load(void)
{
	const struct header *header = (void *)HEADER;
	const struct map_entry *map = (void *)MEMORY_MAP;
	uint32_t i;

	outb(0x3f6, 2); /* the disk shall not interrupt */
	for (i = 0; i < header->pieces; i++)
		read_piece(&header->piece[i]);

	initrd.at = header->initrd;
	initrd.size = header->initrd_size;
	start_info.magic = START_INFO_MAGIC;
	start_info.version = 1;
	start_info.modules = 1;
	start_info.module_list = (uint32_t)&initrd;
	start_info.command_line = (uint32_t)header->command_line;
	start_info.map = MEMORY_MAP;
	while (start_info.map_entries < MAX_MAP && map[start_info.map_entries].size)
		start_info.map_entries++;
	return (uint32_t)&start_info | (uint64_t)header->entry << 32;
}
