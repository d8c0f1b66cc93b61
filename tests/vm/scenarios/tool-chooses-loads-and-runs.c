// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: multikvm loads installed instances with the site's options for the stock KVM, takes the place
 * of an idle stock KVM and not of one in use, chooses which instance new VMs get, also after a
 * boot, and goes back, runs a command on the instance that it names, for a user of group kvm too,
 * refuses what would disturb VMs, and gives the host back to the stock KVM.
 *
 * fails when: do_unload() does not ask for VMs (the refusal says nothing of processes), choose()
 * does not load or not call boot_choose() (boot loads nothing), run mounts nothing (the VM of its
 * command is the default's), insert() passes no options, sort_options() puts an instance's own first,
 * unload_stock() is not called, unload_all() does not call load_again(), and when do_disable() leaves
 * vac loaded.
 *
 * needs: tool
 * machine: --append kvm.ignore_msrs=1 --append kvm_amd.nested=0 --append kvm_intel.nested=0 --append kvm_b.nested=1 --append kvm.no_such=1
 * series: first
 * test-all: intel
 */
#define _GNU_SOURCE
#include "../guest/work.h"
#include "../lib/cpu.h"
#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"
#include "../lib/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define KVM_GROUP 36
#define USER	  1000

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

static void takes_the_place_of_stock(void)
{
	int fd;

	need(mod_insert_needed(), "what kvm needs loads");
	need(mod_insert("kvm", ""), "stock kvm loads");
	need(mod_insert(stock_module(), ""), "and the vendor's");
	fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	ok(fd >= 0, "it has /dev/kvm");
	tool_says(tool("load", "a"), 3, "the stock KVM is in use",
		  "while somebody has that open nothing is loaded");
	ok(!mod_loaded("vac") && mod_loaded(stock_module()), "nor unloaded");
	close(fd);
	tool_says(tool("load", "a"), 0, "unloaded the stock KVM, which nobody used",
		  "an idle one is replaced: load a");
	ok(!mod_loaded("kvm") && mod_loaded("kvm-a"), "by a");
}

static void has_parameter(const char *tag, const char *name, char want)
{
	char value[8] = "";

	if (!ok(!sys_read(value, sizeof(value), "/sys/module/kvm_%s/parameters/%s", tag,
			  name) &&
			(*value == want || (*value == 'Y' && want == '1') ||
			 (*value == 'N' && want == '0')),
		"%s has %s=%c", tag, name, want))
		diag("  it is %s", value);
}

/* Beside those of the kernel's command line, see "machine:" above. */
static void site_has_options(void)
{
	FILE *file = fopen("/etc/modprobe.d/site.conf", "w");

	need(file ? 0 : -errno, "the site has options in modprobe.d");
	fputs("options kvm kvmclock_periodic_sync=0\n"
	      "options kvm_b kvmclock_periodic_sync=1\n",
	      file);
	fclose(file);
}

static void refuses_to_leave(void)
{
	int fd = open("/dev/kvm-b", O_RDWR | O_CLOEXEC);

	tool_says(tool("disable"), 3, "kvm-b is in use",
		  "disable is refused while something has a device open");
	ok(mod_loaded("kvm-a") && !strcmp(default_tag(), "b"),
	   "a, which was unloaded by then, is back, and b still the default");
	close(fd);
}

/* As after a reboot, where only files are left. */
static void boots(void)
{
	ok(!access("/etc/modprobe.d/multi-kvm.conf", F_OK),
	   "with a default chosen the stock KVM is not loaded by itself");
	tool_says(tool("boot"), 0, "new VMs go to b", "boot loads what was chosen last");
	ok(!strcmp(default_tag(), "b"), "b is the default");
	tool_says(tool("disable"), 0, "next boot: the stock KVM",
		  "disable gives the host back");
	ok(!mod_loaded("vac") && !mod_loaded("kvm-b"), "nothing of ours is loaded");
	ok(access("/etc/modprobe.d/multi-kvm.conf", F_OK) != 0, "or in modprobe.d");
	ok(mod_loaded(stock_module()), "and the stock KVM is");
	tool_says(tool("boot"), 0, "no default is chosen", "boot has nothing to do then");
	ok_errno(mod_remove_within(stock_module(), 5), "the stock KVM unloads");
	ok_errno(mod_remove_within("kvm", 5), "all of it");
}

static void runs_commands(const char *self)
{
	const char * const as_b[] = { "multikvm", "run", "b", "--", self, "b", NULL };

	ok_is(tool_as(0, 0, as_b), 0, "run b: its command's VM is b's");
	chown("/dev/kvm", 0, KVM_GROUP);
	chown("/dev/kvm-b", 0, KVM_GROUP);
	chmod("/dev/kvm", 0660);
	chmod("/dev/kvm-b", 0660);
	if (!ok(!tool_as(USER, KVM_GROUP, as_b), "and for a user of group kvm"))
		diag("  it said: %s", tool_said);
	chmod("/dev/kvm-b", 0600);
	tool_says(tool_as(USER, KVM_GROUP, as_b), 3, "may not be opened by this user",
		  "who may not open the device is refused");
	ok_is(in_command("a"), 0, "and for everybody else /dev/kvm is the default's");
}

int main(int argc, char **argv)
{
	struct utsname self;
	struct work *w;
	char pid[40];

	if (argc == 2)
		return in_command(argv[1]);
	tool_folders();
	site_has_options();
	tool_says(tool("list", "--names"), 0, "a\nb\n", "both are installed");
	tool_says(tool("use", "c"), 2, "no kvm-c", "what is not installed is not found");
	ok(!mod_loaded("vac"), "and nothing is loaded for it");
	takes_the_place_of_stock();
	has_parameter("a", "ignore_msrs", '1');
	has_parameter("a", "nested", '0');
	has_parameter("a", "kvmclock_periodic_sync", '0');
	ok(!strcmp(default_tag(), "a"), "it is the default, as the first");
	tool_says(tool("load", "a"), 0, "a is loaded", "a second time it is no error");
	tool_says(tool("use", "b"), 0, "b has no such parameter: kvm.no_such=1",
		  "use b, which loads it, and says which of the site's options it lacks");
	has_parameter("b", "ignore_msrs", '1');
	has_parameter("b", "nested", '1');
	has_parameter("b", "kvmclock_periodic_sync", '1');
	ok(!strcmp(default_tag(), "b"), "b is the default");

	uname(&self);
	tool_says(tool("status", "b"), 0, self.release,
		  "status b has the kernel that it is installed for");
	ok(strstr(tool_said, "rules_digest") != NULL, "and digests");
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

	tool_says(tool("use", "b"), 0, "new VMs go to b", "use b again");
	refuses_to_leave();
	tool_says(tool("remove", "b"), 2, "b is not installed",
		  "dkms knows nothing of it");
	tool_says(tool("unload", "b"), 0, "it was the default", "then b unloads");
	tool_says(tool("unload", "a"), 0, "unloaded a", "and a");
	ok_errno(mod_remove_within("vac", 5), "and vac");
	boots();
	return tap_end();
}
