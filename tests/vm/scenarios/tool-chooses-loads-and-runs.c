// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: multikvm loads installed instances, chooses which one new VMs get and goes back, runs a
 * command on the instance that it names, for a user of group kvm too, and refuses what would
 * disturb VMs.
 *
 * fails when: do_unload() does not ask for VMs (the refusal says nothing of processes), choose()
 * does not load, and when run mounts nothing (the VM of its command is the default's).
 *
 * needs: tool
 * series: first
 * test-all: intel
 */
#define _GNU_SOURCE
#include "../guest/work.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KVM_GROUP 36
#define USER	  1000

static char said[4096]; /* by the last tool(), on both outputs */

static void make_folders(void)
{
	static const char * const folders[] = { "/run", "/var", "/var/lib" };
	unsigned int i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		mkdir(folders[i], 0755);
}

/* Runs it as that user; its exit status, or -1. */
static int tool_as(uid_t user, const char * const argv[])
{
	int out[2], status;
	size_t size = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(out))
		return -1;
	pid = fork();
	if (!pid) {
		gid_t group = KVM_GROUP;

		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]);
		if (user && (setgroups(1, &group) || setgid(user) || setuid(user)))
			_exit(126);
		execv("/usr/bin/multikvm", (char **)argv);
		_exit(127);
	}
	close(out[1]);
	while ((n = read(out[0], said + size, sizeof(said) - 1 - size)) > 0)
		size += n;
	said[size] = '\0';
	close(out[0]);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#define tool(...) tool_as(0, (const char * const[]){ "multikvm", __VA_ARGS__, NULL })

static void tool_says(int status, int want, const char *words, const char *claim)
{
	if (!ok(status == want && strstr(said, words), "%s", claim))
		diag("  status %d, want %d; it said: %s", status, want, said);
}

/* The command of `multikvm run`: one VM through /dev/kvm, and whose that is. */
static int in_command(const char *tag)
{
	long long before = instance_number(tag, "vms");
	struct vm *vm;
	int status = 1;

	if (vm_create(&vm, "/dev/kvm", 0))
		return 2;
	if (instance_number(tag, "vms") == before + 1)
		status = 0;
	vm_destroy(vm);
	return status;
}

static void refuses_beside_stock(void)
{
	need(mod_insert_needed(), "what kvm needs loads");
	need(mod_insert("kvm", ""), "stock kvm loads");
	tool_says(tool("load", "a"), 3, "the stock KVM is loaded (kvm)",
		  "beside the stock KVM nothing is loaded");
	ok(!mod_loaded("vac") && !mod_loaded("kvm-a"), "vac neither");
	ok_errno(mod_remove_within("kvm", 5), "kvm unloads");
}

static void runs_commands(const char *self)
{
	const char * const as_b[] = { "multikvm", "run", "b", "--", self, "b", NULL };

	ok_is(tool_as(0, as_b), 0, "run b: its command's VM is b's");
	chown("/dev/kvm", 0, KVM_GROUP);
	chown("/dev/kvm-b", 0, KVM_GROUP);
	chmod("/dev/kvm", 0660);
	chmod("/dev/kvm-b", 0660);
	if (!ok(!tool_as(USER, as_b), "and for a user of group kvm"))
		diag("  it said: %s", said);
	chmod("/dev/kvm-b", 0600);
	tool_says(tool_as(USER, as_b), 3, "may not be opened by this user",
		  "who may not open the device is refused");
	ok_is(in_command("a"), 0, "and for everybody else /dev/kvm is the default's");
}

int main(int argc, char **argv)
{
	char pid[40];
	struct work *w;

	if (argc == 2)
		return in_command(argv[1]);
	make_folders();
	tool_says(tool("list", "--names"), 0, "a\nb\n", "both are installed");
	refuses_beside_stock();
	tool_says(tool("use", "c"), 2, "no kvm-c", "what is not installed is not found");
	ok(!mod_loaded("vac"), "and nothing is loaded for it");

	tool_says(tool("load", "a"), 0, "loaded a", "load a");
	ok(!strcmp(default_tag(), "a"), "it is the default, as the first");
	tool_says(tool("load", "a"), 0, "a is loaded", "a second time it is no error");
	tool_says(tool("use", "b"), 0, "new VMs go to b", "use b, which loads it");
	ok(!strcmp(default_tag(), "b"), "b is the default");

	need(work_start(&w, "/dev/kvm", payload_find("compute"), 1, 0, -1),
	     "a VM starts");
	ok_is(instance_number("b", "vms"), 1, "on b");
	snprintf(pid, sizeof(pid), "\"pid\": %d,", getpid());
	tool_says(tool("ps", "--json"), 0, pid, "ps has its process");
	tool_says(tool("unload", "b"), 3, "b has 1 VM", "b is not unloaded under it");
	tool_says(tool("rollback"), 0, "1 VM stays on b", "rollback says that it stays");
	ok(!strcmp(default_tag(), "a"), "a is the default again");
	runs_commands(argv[0]);
	ok_errno(work_advances(w, 5, 60), "the VM goes on");
	ok_errno(work_stop(w), "it stops");

	tool_says(tool("unload", "b"), 0, "unloaded b", "then b unloads");
	tool_says(tool("unload", "a"), 0, "it was the default", "and a");
	ok_errno(mod_remove_within("vac", 5), "and vac");
	return tap_end();
}
