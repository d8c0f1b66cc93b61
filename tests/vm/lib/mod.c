// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu.h"
#include "mod.h"
#include "sysfs.h"

static void kernel_name(const char *file, char name[64])
{
	char *c;

	snprintf(name, 64, "%s", file);
	for (c = name; *c; c++)
		if (*c == '-')
			*c = '_';
}

static void file_path(const char *file, char path[100])
{
	snprintf(path, 100, "/modules/%s.ko", file);
}

int mod_insert(const char *file, const char *params)
{
	char path[100];
	int fd, r;

	file_path(file, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return r;
}

int mod_remove(const char *file)
{
	char name[64];

	kernel_name(file, name);
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

int mod_remove_within(const char *file, int seconds)
{
	int i, r = mod_remove(file);

	for (i = 0; i < patience(seconds) * 100 && (r == -EAGAIN || r == -EBUSY); i++) {
		usleep(10000);
		r = mod_remove(file);
	}
	return r;
}

bool mod_loaded(const char *file)
{
	char name[64], state[40];

	kernel_name(file, name);
	return !sys_read(state, sizeof(state), "/sys/module/%s/initstate", name);
}

bool mod_there(const char *file)
{
	char path[100];

	file_path(file, path);
	return !access(path, R_OK);
}

int mod_references(const char *file)
{
	char name[64];

	kernel_name(file, name);
	return sys_read_number("/sys/module/%s/refcnt", name);
}

static int insert_if_there(const char *file)
{
	int r = mod_insert(file, "");

	return r == -ENOENT || r == -EEXIST ? 0 : r;
}

int mod_insert_needed(void)
{
	static const char * const needed[] = {
		"msr", "control-registers", "rng-core", "irqbypass", "ccp",
	};
	unsigned int i;
	int r;

	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		r = insert_if_there(needed[i]);
		if (r)
			return r;
	}
	return cpu_intel() ? 0 : insert_if_there("hold-static-keys");
}
