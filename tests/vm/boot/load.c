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

static inline void outb(uint8_t value, uint16_t port)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void insw(uint16_t port, void *to, uint32_t count)
{
	asm volatile("rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

#include "ata.h"

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

/* One letter on the console. */
static void cannot_read(uint32_t sector, uint8_t status)
{
	(void)sector;
	(void)status;
	outb('R', 0x3f8);
	for (;;)
		asm volatile("hlt");
}

static void read_piece(const struct piece *p)
{
	uint32_t sector = p->sector, left = p->sectors, words = p->zeros / 4;
	void *to = (void *)p->to;

	while (left) {
		uint32_t count = left < MAX_SECTORS ? left : MAX_SECTORS;

		to = ata_read(to, sector, count, cannot_read);
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

	ata_quiet();
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
