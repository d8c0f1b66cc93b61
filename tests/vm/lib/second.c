// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "second.h"
#include "sysfs.h"
#include "tap.h"

#define BEFORE "tap.before="
#define RAM    1 /* type of an entry of e820 */
#define PAGE   4096ULL
#define HUGE   (2ULL << 20)
#define LOW    (1ULL << 20)
#define SLACK  (16ULL << 20) /* the kernel takes its first memory after its own end */

static int promised = -1; /* the number of our last result, if another kernel is loaded */

bool second_is(int argc, char **argv)
{
	char line[4096] = "", *at;

	if (argc < 2 || strcmp(argv[1], "second"))
		return false;
	sys_read(line, sizeof(line), "/proc/cmdline");
	at = strstr(line, BEFORE);
	if (at)
		tap_continue(atoi(at + strlen(BEFORE)));
	return at;
}

/* This kernel's command line without crashkernel=: the second kernel reserves no such memory. */
static int command_line(char *line, size_t size, bool crash, int before)
{
	char ours[3000] = "", *word, *save;
	int n = 0, r = sys_read(ours, sizeof(ours), "/proc/cmdline");

	if (r)
		return r;
	for (word = strtok_r(ours, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (strncmp(word, "crashkernel=", strlen("crashkernel=")))
			n += snprintf(line + n, size - n, "%s ", word);
	n += snprintf(line + n, size - n, "nokaslr %s " BEFORE "%d",
		      crash ? "reset_devices" : "maxcpus=1", before);
	return n;
}

/* A file in memory, or NULL with errno. */
static void *mapped(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *at = NULL;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st)) {
		*size = st.st_size;
		at = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	close(fd);
	return at == MAP_FAILED ? NULL : at;
}

/* [start, end) of the memory that is kept for a crash kernel, and its last e820 entry. */
static int crash_region(uint64_t *start, uint64_t *end)
{
	FILE *file = fopen("/proc/iomem", "re");
	char line[200];
	int r = -ENOMEM;

	while (file && r && fgets(line, sizeof(line), file))
		if (strstr(line, "Crash kernel") &&
		    sscanf(line, " %lx-%lx", start, end) == 2) {
			++*end;
			r = 0;
		}
	if (file)
		fclose(file);
	return r;
}

/* Of what the firmware said is memory, a crash kernel has the first megabyte and its own region. */
static void crash_memory(struct boot_params *params, uint64_t start, uint64_t end)
{
	struct boot_e820_entry *table = params->e820_table;
	int i, n = 0;

	for (i = 0; i < params->e820_entries; i++)
		if (table[i].type != RAM || table[i].addr + table[i].size <= LOW)
			table[n++] = table[i];
	table[n++] = (struct boot_e820_entry){ start, end - start, RAM };
	params->e820_entries = n;
}

struct image {
	struct kexec_segment segment[KEXEC_SEGMENT_MAX];
	unsigned long n;
	uint64_t end; /* the first address behind all segments */
};

static uint64_t place(struct image *image, uint64_t at, const void *from, size_t size,
		      size_t in_memory)
{
	image->segment[image->n++] = (struct kexec_segment){
		.buf = (void *)from,
		.bufsz = size,
		.mem = (void *)at,
		.memsz = (in_memory + PAGE - 1) & ~(PAGE - 1),
	};
	if (image->end < at + in_memory)
		image->end = at + in_memory;
	return at;
}

/* Behind all others, at a multiple of 2 MiB. */
static uint64_t append(struct image *image, const void *from, size_t size)
{
	return place(image, (image->end + HUGE - 1) & ~(HUGE - 1), from, size, size);
}

/*
 * The segments of a vmlinux, each `base` higher than it was linked for, which is a multiple of 2 MiB
 * (Documentation/arch/x86/boot.rst, relocatable_kernel). Returns its 64-bit entry.
 */
static uint64_t place_kernel(struct image *image, const void *vmlinux, uint64_t base)
{
	const Elf64_Ehdr *elf = vmlinux;
	const Elf64_Phdr *at = vmlinux + elf->e_phoff;
	int i;

	for (i = 0; i < elf->e_phnum; i++)
		if (at[i].p_type == PT_LOAD)
			place(image, at[i].p_paddr + base, vmlinux + at[i].p_offset,
			      at[i].p_filesz, at[i].p_memsz);
	image->end += SLACK;
	return elf->e_entry + base;
}

static uint64_t linked_at(const void *vmlinux)
{
	const Elf64_Ehdr *elf = vmlinux;
	const Elf64_Phdr *at = vmlinux + elf->e_phoff;

	while (at->p_type != PT_LOAD)
		at++;
	return at->p_paddr;
}

/*
 * The 64-bit boot protocol: the kernel is entered with the address of its boot_params in RSI. A kexec
 * enters with all registers zero, so it enters this: mov $params, %rsi; mov $kernel, %rax; jmp *%rax.
 */
static size_t write_entry(uint8_t *code, uint64_t params, uint64_t kernel)
{
	memcpy(code, "\x48\xbe", 2);
	memcpy(code + 2, &params, 8);
	memcpy(code + 10, "\x48\xb8", 2);
	memcpy(code + 12, &kernel, 8);
	memcpy(code + 20, "\xff\xe0", 2);
	return 22;
}

int second_load(bool crash, int ours, int modules)
{
	static struct boot_params params;
	static char line[4096];
	static uint8_t code[32];
	struct image image = {};
	uint64_t start = 0, end = 0, kernel, entry;
	size_t kernel_size, initrd_size;
	const void *vmlinux = mapped("/second/vmlinux", &kernel_size);
	const void *initrd = mapped("/second/initrd", &initrd_size);
	int fd, r;

	if (!vmlinux || !initrd)
		return -errno;
	if (memcmp(vmlinux, ELFMAG, SELFMAG))
		return -ENOEXEC;
	promised = tap_count() + ours;
	r = command_line(line, sizeof(line), crash, promised + modules);
	if (r < 0)
		return r;
	fd = open("/sys/kernel/boot_params/data", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &params, sizeof(params)) != sizeof(params))
		return -EIO;
	close(fd);
	if (crash) {
		r = crash_region(&start, &end);
		if (r)
			return r;
		crash_memory(&params, start, end);
		start = ((start + HUGE - 1) & ~(HUGE - 1)) - linked_at(vmlinux);
	}
	kernel = place_kernel(&image, vmlinux, start);
	params.hdr.type_of_loader = 0xff;
	params.hdr.setup_data = 0;
	params.hdr.cmd_line_ptr = append(&image, line, sizeof(line));
	params.hdr.ramdisk_image = append(&image, initrd, initrd_size);
	params.hdr.ramdisk_size = initrd_size;
	params.ext_cmd_line_ptr = params.ext_ramdisk_image = params.ext_ramdisk_size = 0;
	entry = append(&image, code, sizeof(code));
	write_entry(code, append(&image, &params, sizeof(params)), kernel);
	return syscall(SYS_kexec_load, entry, image.n, image.segment,
		       KEXEC_ARCH_X86_64 | (crash ? KEXEC_ON_CRASH : 0))
		       ? -errno
		       : 0;
}

void second_wait_for_init(void)
{
	int port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY | O_NONBLOCK), left;
	char call[100];

	if (promised >= 0 && tap_count() != promised)
		need(-ERANGE, "the second kernel was told of %d results, not %d",
		     promised, tap_count());
	do {
		sched_yield();
		if (ioctl(STDOUT_FILENO, FIONREAD, &left))
			left = 0;
		if (sys_read(call, sizeof(call), "/proc/1/syscall"))
			strcpy(call, "7 ");
	} while (left || strncmp(call, "7 ", 2));
	tcdrain(port);
	close(port);
}

void second_enter(void)
{
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
}

void second_crash(void)
{
	sys_write("c", "/proc/sysrq-trigger");
}
