// SPDX-License-Identifier: GPL-2.0-only
/*
 * report.c - everything that the program prints, as text or as one JSON document.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multikvm.h"

bool as_json;

/* The first error in writing to stdout. It is said once, but not where a reader has gone. */
static int lost;

static void flush(void)
{
	errno = 0;
	if ((!fflush(stdout) && !ferror(stdout)) || lost)
		return;
	lost = errno ? errno : EIO;
	if (lost != EPIPE)
		fprintf(stderr, "multikvm: cannot write what it prints: %s\n",
			strerror(lost));
}

enum status report_end(void)
{
	flush();
	return lost ? SYSTEM : DONE;
}

/* Takes the value. A reader that has gone is no success. */
static enum status print_json(const char *name, json_object *value)
{
	json_object *document = json_object_new_object();

	json_object_object_add(document, name, value);
	printf("%s\n",
	       json_object_to_json_string_ext(
		       document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
					 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(document);
	return report_end();
}

static void fail_as_json(enum status status, char *text)
{
	json_object *error = json_object_new_object(), *details = json_object_new_array();
	char *line, *next = NULL;

	line = strsep(&text, "\n");
	json_object_object_add(error, "status", json_object_new_int(status));
	json_object_object_add(error, "message", host_text(line));
	while ((line = strsep(&text, "\n"))) {
		if (!strncmp(line, "next: ", 6))
			next = line + 6;
		else
			json_object_array_add(details, host_text(line));
	}
	json_object_object_add(error, "details", details);
	json_object_object_add(error, "next", host_text(next));
	print_json("error", error);
}

enum status fail(enum status status, const char *fmt, ...)
{
	char *text, *rest, *line;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return status;
	if (as_json) {
		fail_as_json(status, text);
	} else {
		fflush(stdout);
		rest = text;
		fprintf(stderr, "multikvm: %s\n", strsep(&rest, "\n"));
		while ((line = strsep(&rest, "\n")))
			fprintf(stderr, "  %s\n", line);
	}
	free(text);
	return status;
}

static const char *cell(json_object *value)
{
	if (!value)
		return "-";
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value) ? "yes" : "-";
	return json_object_get_string(value);
}

enum status report_rows(const char *name, const struct column *columns, json_object *rows)
{
	struct libscols_table *table;
	const struct column *column;
	size_t i, n;

	if (as_json)
		return print_json(name, rows);
	table = scols_new_table();
	if (!table)
		return fail(SYSTEM, "no memory");
	for (column = columns; column->key; column++)
		scols_table_new_column(table, column->title, 0,
				       column->right ? SCOLS_FL_RIGHT : 0);
	for (i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		struct libscols_line *line = scols_table_new_line(table, NULL);

		for (n = 0; line && columns[n].key; n++)
			scols_line_set_data(
				line, n,
				cell(json_object_object_get(row, columns[n].key)));
	}
	scols_print_table(table);
	scols_unref_table(table);
	json_object_put(rows);
	return report_end();
}

static void print_member(int width, const char *key, json_object *value)
{
	size_t i, n;

	if (!json_object_is_type(value, json_type_array)) {
		printf("%-*s %s\n", width, key, cell(value));
		return;
	}
	n = json_object_array_length(value);
	if (!n)
		printf("%-*s -\n", width, key);
	for (i = 0; i < n; i++)
		printf("%-*s %s\n", width, i ? "" : key,
		       cell(json_object_array_get_idx(value, i)));
}

enum status report_object(const char *name, json_object *object)
{
	int width = 0;

	if (as_json)
		return print_json(name, object);
	json_object_object_foreach(object, each, unused)
	{
		(void)unused;
		width = strlen(each) > (size_t)width ? (int)strlen(each) : width;
	}
	json_object_object_foreach(object, key, value) print_member(width, key, value);
	json_object_put(object);
	return report_end();
}

void say(const char *fmt, ...)
{
	va_list ap;

	if (as_json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	flush();
	if (lost == EPIPE) { /* it was for a reader, and the change goes on */
		clearerr(stdout);
		lost = 0;
	}
}

enum status report_done(json_object *object)
{
	return report("done", object);
}

enum status report(const char *name, json_object *object)
{
	if (as_json)
		return print_json(name, object);
	json_object_put(object);
	return report_end();
}
