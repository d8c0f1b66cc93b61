/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * multikvm - what the commands share: errors, reports, and what a host says of its instances.
 *
 * Functions return 0 or -errno, but where they return an enum status, which is the exit status of
 * the program; then the error has been reported.
 */
#ifndef MULTIKVM_H
#define MULTIKVM_H

#include <json-c/json.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FMT(n) __attribute__((format(printf, n, n + 1)))

/* Exit statuses; they stay. */
enum status { DONE, USAGE, NOT_FOUND, REFUSED, SYSTEM };

struct command {
	const char *name;
	enum status (*run)(int argc, char **argv); /* argv[0] is the name */
	const char *usage;			   /* what follows the name */
	const char *help;			   /* one line */
};

/* report.c: all that is printed, as text or, with --json, as one JSON document. */
struct column {
	const char *key, *title;
	bool right; /* a number */
};

extern bool as_json;

/*
 * Reports an error: the first line says what failed and why, further lines the evidence, and the
 * last one may begin with "next: ". Returns `status`.
 */
enum status fail(enum status status, const char *fmt, ...) FMT(2);
/* Takes the rows, an array of objects, and prints them as a table, or as {name: rows}. */
enum status report_rows(const char *name, const struct column *columns,
			json_object *rows);
/* Takes an object and prints a line for each member, or {name: object}. */
enum status report_object(const char *name, json_object *object);
/* A line that says what was done; nothing with --json. */
void say(const char *fmt, ...) FMT(1);
/* Takes what was done as an object: {"done": object}, or {name: object}; nothing without --json. */
enum status report_done(json_object *object);
enum status report(const char *name, json_object *object);
/* SYSTEM if something that was printed could not be written, which was reported. */
enum status report_end(void);

/*
 * host.c: files of the host. With FOR_TESTS, MULTIKVM_ROOT in the environment is put before each
 * path, and everybody is root.
 */
char *host_path(const char *fmt, ...) FMT(1); /* malloc()ed */
char *host_read(const char *fmt, ...) FMT(1); /* trimmed, malloc()ed; NULL with errno */
long long host_number(const char *fmt, ...) FMT(1); /* or -errno */
bool host_has(const char *fmt, ...) FMT(1);
bool host_has_entry(const char *fmt, ...) FMT(1); /* a dangling link as well */
int host_remove(const char *path); /* a file that may not be there, for good. -errno */
int host_write(const char *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A new file takes the place of the old one: whole after a full disk or a power cut. -errno */
int host_replace(const char *text, const char *path);
bool host_is_root(void);
/*
 * A string, or NULL for NULL. Others choose the names of processes and cgroups: what is no UTF-8, or
 * a control character, becomes \xNN.
 */
json_object *host_text(const char *text);
/*
 * Held until the program ends; waits for another multikvm, and says so. Root is asked for, too. A
 * change that was left unfinished is undone first; if that fails it is told, and this goes on.
 */
enum status host_lock(const char *command);
void host_unlock(void);
/*
 * Before it, for what installs and removes, one at a time: a build takes minutes, in which others choose
 * and load under host_lock(). It takes that, too; here an unfinished change must be undone.
 */
enum status host_lock_builds(const char *command);
/* Under host_lock(): what a killed build has left goes, unless somebody builds now. */
void host_clean(void);
/* In a child that becomes another program: it holds host_lock(), too. */
void host_keep_lock(void);
/* The names in a folder, or none, as [name], sorted. */
json_object *host_names(const char *fmt, ...) FMT(1);
const char *host_kernel(void); /* the running one's release */
/* The same of paths that are not below MULTIKVM_ROOT, or are already. */
char *read_file(const char *path);
/* Of a file of any bytes; `size` is set. */
char *read_bytes(const char *path, size_t *size);
json_object *folder_names(const char *folder);
json_object *folder_names_of(const char *folder, const char *prefix);
/* A program of the build scripts, malloc()ed, or NULL where those are not installed. */
char *scripts_program(const char *name);
void add_once(json_object *list, const char *text);

#define STATE "/var/lib/multi-kvm"
#define STEPS "/run/multikvm.log" /* what the programs of a change said */

/* process.c: other programs, and being asked to stop. */
struct process {
	const char *what;   /* what takes so long, for a terminal */
	const char *log;    /* its output is added to that; NULL: it is ours */
	const char *output; /* without a log: what it prints, but not its errors */
	const char *errors; /* those; NULL: they go to ours */
	const char *folder; /* where it runs */
	bool on_host;	    /* it changes the host: a wish to stop waits for its end */
	bool as_caller;	    /* as the user who called sudo */
};

void process_begin(void);
bool process_stopped(void); /* somebody wants this to stop */
void process_release(void); /* before this program becomes another one */
void process_end(void); /* if somebody did, this ends the program, as their signal does */
/* Its exit status, 127 where it could not be started; 128 + the signal that ended it; or -errno. */
int process_run(const struct process *how, const char * const argv[]);

/*
 * transaction.c: a change of the host that is whole or undone. Paths are absolute, what is in them
 * included; none lies in another. depmod is called for the kernels if it is undone.
 */
enum status transaction_begin(json_object *paths, json_object *kernels);
int transaction_step(const char * const argv[]); /* as process_run(), at the host's root */
/*
 * `result` is the first of a step that failed, or 0. Keeps the change, or undoes it if that is not 0 or
 * somebody wants this to stop; *broken: that did not work either. The error begins with `what`.
 */
enum status transaction_end(const char *what, int result, bool *broken);
/* After one that was killed: undoes what it had begun; removes what it left in STATE. */
enum status transaction_recover(void);
void transaction_remove_rests(void);

#define STEP(...) transaction_step((const char * const[]){ __VA_ARGS__, NULL })

/* vac.c: what vac says. Arrays and objects are the caller's. */
bool vac_loaded(void);
bool vac_has(const char *tag);	  /* loaded */
char *vac_default(void);	  /* a tag, malloc()ed, or NULL */
bool vac_closed(const char *tag); /* loaded or not */
json_object *vac_instance(const char *tag);
json_object *vac_instances(void);
json_object *vac_vms(const char *tag); /* NULL: of all. Only root sees any */

/* modules.c: modules by libkmod. */
struct kmod_ctx;
struct kmod_module;
bool is_tag(const char *word);
enum status check_tag(const char *word); /* the same, and reports what is wrong with it */
json_object *modules_installed(void);	 /* [tag], of the running kernel, sorted */
bool module_installed(const char *tag);
bool module_installed_for(const char *tag, const char *kernel);
/* snapshot, patches of an installed instance; NULL where the module cannot be read */
json_object *module_info(const char *tag);
/* With the options that the site has for the stock modules, and in place of those if they are idle. */
enum status module_load(const char *tag);
enum status module_unload(const char *tag);
enum status modules_unload_vac(void); /* which no instance uses any more */
enum status modules_load_stock(void); /* if the CPU has one */
const char *modules_stock(void);      /* that of the loaded one, or NULL */
/* ["vac" or a tag]: loaded, while another build of it is installed */
json_object *modules_waiting(void);
char *module_field(const char *name,
		   const char *key);	/* as modinfo -F; malloc()ed, or NULL */
const char *modules_stock_of_cpu(void); /* its name, or NULL */
/* A context and that module in it; the caller drops both. -errno */
int module_find(const char *name, struct kmod_ctx **ctx, struct kmod_module **module);

/*
 * options.c: what an instance gets as options, malloc()ed, and those of the site that it does not know,
 * [text].
 */
char *module_options(struct kmod_ctx *ctx, struct kmod_module *module, json_object *lost);
json_object *module_lost_options(const char *tag);

/*
 * signatures.c: whether this kernel wants modules signed, and what is wrong with that of this module;
 * both texts are malloc()ed.
 */
bool signature_problem(const char *module, char **problem, char **next);

/* history.c: which tags were the default, the latest last. */
int history_add(const char *tag);
char *history_when(const char *tag); /* it was chosen last, in UTC, malloc()ed, or NULL */
char *history_previous(
	const char *now); /* the latest that is not `now`, malloc()ed, or NULL */

/*
 * packages.c: source packages, folders NAME-VERSION with a dkms.conf, and what dkms has of them.
 */
#define VAC_PACKAGE "multi-kvm"
#define ARCH	    "x86_64"
#define PACKAGES    STATE "/packages"	/* that `multikvm build` made */
#define HOST_FILES  STATE "/host-files" /* those that came with a checkout, as JSON */

struct package {
	char *name, *version; /* "multi-kvm", which is vac, or "kvm-<tag>" */
	char *folder, *series;
	bool in_place; /* in /usr/src already */
};

bool is_version(const char *text);
int package_read(const char *folder, struct package *package); /* -errno */
void package_free(struct package *package);
bool package_is_vac(const char *name);
json_object *package_versions(const char *name);
char *package_installed(const char *name,
			const char *kernel);	/* its version, malloc()ed */
json_object *package_kernels(const char *name); /* those that have it installed */
json_object *package_sources(
	const char *name); /* folders in /usr/src; NULL: of all of ours */
bool package_of_dpkg(const char *path);
/* What is installed for a kernel, and is not what dkms has built; malloc()ed, or NULL. */
char *package_damaged(const char *name, const char *kernel);
json_object *kernels_with_headers(void);
bool kernel_has_headers(const char *kernel);

/* stage.c: packages are built where nobody else sees them. */
#define STAGE_EXCLUDED 77 /* dkms: the package is not for this kernel */
#define STAGE_UNSAFE   3  /* the audit found something */

enum status stage_begin(void);
void stage_end(void);
enum status stage_source(const struct package *package);
/* Is what is installed for the kernel made of the same source? */
bool stage_same_source(const struct package *package, const char *kernel);
/* For the build of instances: vac as it was built here, or else (NULL) as it is installed. -errno */
int stage_vac(const char *kernel, const struct package *built);
/* 0, STAGE_EXCLUDED, or -errno; `why` is malloc()ed lines, the first what failed. */
int stage_build(const struct package *package, const char *kernel, char **why);
int stage_audit(const struct package *package, const char *kernel, char **why);
/* `what` is "src" or "dkms", as in /usr/src and /var/lib/dkms. malloc()ed */
char *stage_path(const char *what, const struct package *package, const char *rest);
json_object *stage_modules(const struct package *package, const char *kernel);

/* place.c: from the stage to dkms and the kernels. Steps of a transaction: 0, -errno, or their status. */
void place_paths(json_object *to, const char *name, const char *version,
		 json_object *kernels);
int place_new(const struct package *package, json_object *kernels);
int place_remove_old(const struct package *package);
int place_remove_all(const char *name);

/* boot.c: the default that outlives a boot */
char *boot_default(void); /* malloc()ed, or NULL */
enum status boot_choose(const char *tag);
enum status boot_forget(void);
char *boot_next(void); /* what the next boot does, malloc()ed */
void boot_kernels(json_object *with, json_object *without, const char *tag);
void say_next_boot(json_object *to);

enum status refuse_vms(const char *tag);       /* if it has VMs */
enum status refuse_packaged(const char *name); /* if dpkg brought it */

/* A command per function: instances.c, vms.c, status.c, run.c, install.c, remove.c, boot.c, ... */
enum status do_list(int argc, char **argv);
enum status do_load(int argc, char **argv);
enum status do_unload(int argc, char **argv);
enum status do_use(int argc, char **argv);
enum status do_rollback(int argc, char **argv);
enum status do_ps(int argc, char **argv);
enum status do_status(int argc, char **argv);
enum status do_run(int argc, char **argv);
enum status do_move(int argc, char **argv);
enum status do_install(int argc, char **argv);
enum status do_remove(int argc, char **argv);
enum status do_disable(int argc, char **argv);
enum status do_boot(int argc, char **argv);
enum status do_build(int argc, char **argv);
enum status do_package(int argc, char **argv);
enum status do_doctor(int argc, char **argv);

/* main.c */
enum status usage(const char *command); /* reports that it was called wrongly */
/* The tag that is the only argument, or NULL, which was reported. */
const char *only_tag(int argc, char **argv);

#endif
