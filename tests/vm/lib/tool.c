// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "tool.h"
#include "tap.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARKER "~Module signature appended~\n"

char tool_said[4096];

void tool_folders(void)
{
	static const char * const folders[] = { "/run", "/var", "/var/lib", "/etc",
						"/etc/modprobe.d" };
	unsigned int i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		mkdir(folders[i], 0755);
}

int tool_as(uid_t user, gid_t group, const char * const argv[])
{
	int out[2], status;
	size_t size = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(out))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]);
		if (user && (setgroups(1, &group) || setgid(user) || setuid(user)))
			_exit(126);
		execv("/usr/bin/multikvm", (char **)argv);
		_exit(127);
	}
	close(out[1]);
	while ((n = read(out[0], tool_said + size, sizeof(tool_said) - 1 - size)) > 0)
		size += n;
	tool_said[size] = '\0';
	close(out[0]);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

void tool_says(int status, int want, const char *words, const char *claim)
{
	if (!ok(status == want && strstr(tool_said, words), "%s", claim))
		diag("  status %d, want %d; it said: %s", status, want, tool_said);
}

int tool_take_signature(const char *name)
{
	char path[200];
	struct utsname self;
	FILE *file;
	long size;
	int err;

	uname(&self);
	snprintf(path, sizeof(path), "/lib/modules/%s/updates/dkms/%s.ko", self.release,
		 name);
	file = fopen(path, "r+");
	if (!file)
		return -errno;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	err = ftruncate(fileno(file), size - (long)strlen(MARKER));
	return fclose(file) || err ? -EIO : 0;
}
