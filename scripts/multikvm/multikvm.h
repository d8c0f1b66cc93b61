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
#include <stdbool.h>
#include <stddef.h>

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
/* Takes what was done as an object: {"done": object}; nothing without --json. */
enum status report_done(json_object *object);

/*
 * host.c: files of the host. With FOR_TESTS, MULTIKVM_ROOT in the environment is put before each
 * path, and everybody is root.
 */
char *host_path(const char *fmt, ...) FMT(1); /* malloc()ed */
char *host_read(const char *fmt, ...) FMT(1); /* trimmed, malloc()ed; NULL with errno */
long long host_number(const char *fmt, ...) FMT(1); /* or -errno */
bool host_has(const char *fmt, ...) FMT(1);
int host_write(const char *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool host_is_root(void);
/*
 * A string, or NULL for NULL. Others choose the names of processes and cgroups: what is no UTF-8, or
 * a control character, becomes \xNN.
 */
json_object *host_text(const char *text);
/* Held until the program ends; waits for another multikvm, and says so. Root is asked for, too. */
enum status host_lock(const char *command);

/* vac.c: what vac says. Arrays and objects are the caller's. */
bool vac_loaded(void);
bool vac_has(const char *tag);	  /* loaded */
char *vac_default(void);	  /* a tag, malloc()ed, or NULL */
bool vac_closed(const char *tag); /* loaded or not */
json_object *vac_instance(const char *tag);
json_object *vac_instances(void);
json_object *vac_vms(const char *tag); /* NULL: of all. Only root sees any */

/* modules.c: modules by libkmod. */
bool is_tag(const char *word);
json_object *modules_installed(void); /* [tag], of the running kernel, sorted */
bool module_installed(const char *tag);
/* snapshot, patches of an installed instance; NULL where the module cannot be read */
json_object *module_info(const char *tag);
enum status module_load(const char *tag);
enum status module_unload(const char *tag);

/* history.c: which tags were the default, the latest last. */
enum status history_add(const char *tag);
char *history_previous(
	const char *now); /* the latest that is not `now`, malloc()ed, or NULL */

/* instances.c, vms.c, status.c, run.c */
enum status do_list(int argc, char **argv);
enum status do_load(int argc, char **argv);
enum status do_unload(int argc, char **argv);
enum status do_use(int argc, char **argv);
enum status do_rollback(int argc, char **argv);
enum status do_ps(int argc, char **argv);
enum status do_status(int argc, char **argv);
enum status do_run(int argc, char **argv);

/* main.c */
enum status usage(const char *command); /* reports that it was called wrongly */
/* The tag that is the only argument, or NULL, which was reported. */
const char *only_tag(int argc, char **argv);

#endif
