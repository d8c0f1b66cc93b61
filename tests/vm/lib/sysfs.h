/* SPDX-License-Identifier: GPL-2.0-only */
/* Small files of sysfs, procfs and debugfs, and listings of their directories. */
#ifndef SYSFS_H
#define SYSFS_H

#include <stdbool.h>
#include <stddef.h>

#define SYS_FMT(n) __attribute__((format(printf, n, n + 1)))

/* The first line without its end. 0 or -errno. */
int sys_read(char *value, size_t size, const char *path, ...) SYS_FMT(3);
/* -errno if it cannot be read; for numbers that are never negative. */
long long sys_read_number(const char *path, ...) SYS_FMT(1);
int sys_write(const char *value, const char *path, ...) SYS_FMT(2);
bool sys_there(const char *path, ...) SYS_FMT(1);

/* "name=value name=value": copies the value, or -ENOENT. */
int line_field(const char *line, const char *name, char *value, size_t size);

/* Line of `cpu` in debugfs vac/cpus; one field of it. Numbers are decimal or 0x. */
int vac_cpu_field(int cpu, const char *name, char *value, size_t size);
long long vac_cpu_number(int cpu, const char *name);

/* Names in a directory (not symbolic links), or the first words of the lines of a file. */
struct names {
	char **name;
	size_t n;
};
struct names names_of_dir(const char *path);
struct names names_of_lines(const char *path, int skip_lines);
bool names_have(const struct names *n, const char *name);
/* Each name of `now` that `before` has not goes to diag(); their number. Frees both. */
int names_added(struct names before, struct names now, const char *where);
void names_free(struct names n);

#endif
