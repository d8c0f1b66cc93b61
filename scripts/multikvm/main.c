// SPDX-License-Identifier: GPL-2.0-only
/*
 * multikvm - which KVMs this host has, which one new VMs get, and who runs on which.
 */
#include <stdio.h>
#include <string.h>

#include "multikvm.h"

static const struct command commands[] = {
	{ "list", do_list, "[--names]", "instances: loaded, installed, the default" },
	{ "ps", do_ps, "[TAG]", "VMs and where each of them runs (root)" },
	{ "status", do_status, "[TAG]",
	  "vac, the default, what was refused; or all of one instance" },
	{ "use", do_use, "TAG", "new VMs go to this instance" },
	{ "rollback", do_rollback, "", "new VMs go where they went before the last use" },
	{ "load", do_load, "TAG", "load an installed instance" },
	{ "unload", do_unload, "TAG", "unload an instance that has no VMs" },
	{ "run", do_run, "TAG -- COMMAND...",
	  "a command whose /dev/kvm is this instance" },
	{ "move", do_move,
	  "PID|VM TAG | --all OLD NEW [--parallel N] [--rate N] [--max-pause MS] "
	  "[--dry-run]",
	  "a running VM, or all of an instance, to another one" },
	{ "build", do_build, "TAG [--from FROM] [--series SERIES] [--patch FILE]...",
	  "an instance's package from a kernel's source" },
	{ "package", do_package, "FOLDER [--kernel KERNEL] ...",
	  "Debian packages of an instance; --help has the rest" },
	{ "install", do_install,
	  "[TAG|FOLDER] [--kernel KERNEL]... [--vac FOLDER] [--host-files FOLDER]",
	  "a package, or all in /usr/src, for the kernels here" },
	{ "remove", do_remove, "TAG",
	  "an instance that is not the default, and has no VMs" },
	{ "disable", do_disable, "", "give the host back to the stock KVM" },
	{ "boot", do_boot, "", "load the chosen default; multi-kvm.service does this" },
	{ "doctor", do_doctor, "", "what is wrong, and what to type" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char exit_statuses[] =
	"exit status: 0 done, 1 usage, 2 not found, 3 refused, 4 system\n";

static void help(FILE *out)
{
	size_t i;

	fputs("usage: multikvm [--json] COMMAND ...\n\n", out);
	for (i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(out,
		"\nmultikvm COMMAND --help has the arguments.\n"
		"--json, before or after the command, prints one JSON document.\n%s",
		exit_statuses);
}

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

enum status usage(const char *command)
{
	return fail(USAGE, "usage: multikvm %s %s\nnext: multikvm --help", command,
		    find(command)->usage);
}

const char *only_tag(int argc, char **argv)
{
	if (argc != 2) {
		usage(argv[0]);
		return NULL;
	}
	return check_tag(argv[1]) ? NULL : argv[1];
}

/* --json goes from the words up to "--", wherever it is; what comes after belongs to a command. */
static int take_options(int argc, char **argv)
{
	int i, n = 0;

	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			as_json = true;
			continue;
		}
		argv[n++] = argv[i];
		if (!strcmp(argv[i], "--"))
			break;
	}
	for (i++; i < argc; i++)
		argv[n++] = argv[i];
	argv[n] = NULL;
	return n;
}

int main(int argc, char **argv)
{
	const struct command *command;
	enum status status;

	argc = take_options(argc, argv);
	if (argc < 2 && as_json)
		return fail(USAGE, "a command is missing\nnext: multikvm --help");
	if (argc < 2) {
		help(stderr);
		return USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		help(stdout);
		return report_end();
	}
	command = find(argv[1]);
	if (!command)
		return fail(USAGE, "there is no command %s\nnext: multikvm --help",
			    argv[1]);
	if (argc > 2 && !strcmp(argv[2], "--help") && command->run != do_package) {
		printf("usage: multikvm %s %s\n  %s\n%s", command->name, command->usage,
		       command->help, exit_statuses);
		return report_end();
	}
	process_begin();
	status = command->run(argc - 1, argv + 1);
	if (status)
		process_end();
	return status;
}
