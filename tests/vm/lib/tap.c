// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

static struct {
	pthread_mutex_t lock;
	int tests, failed;
} * shared;

__attribute__((constructor)) static void share(void)
{
	pthread_mutexattr_t attr;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		abort();
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shared->lock, &attr);
}

static void write_all(const char *s, size_t n)
{
	ssize_t r;

	while (n) {
		r = write(STDOUT_FILENO, s, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return;
		s += r;
		n -= r;
	}
}

/* One line, with no line break inside whatever the arguments hold. */
static void line(const char *head, const char *fmt, va_list ap, const char *tail)
{
	char s[600];
	size_t n;

	snprintf(s, sizeof(s), "%s", head);
	n = strlen(s);
	vsnprintf(s + n, sizeof(s) - n - 1, fmt, ap);
	n = strlen(s);
	snprintf(s + n, sizeof(s) - n - 1, "%s", tail);
	for (n = 0; s[n]; n++)
		if (s[n] == '\n')
			s[n] = ' ';
	s[n++] = '\n';
	write_all(s, n);
}

static bool result(bool good, const char *fmt, va_list ap, const char *tail)
{
	char head[40];

	if (pthread_mutex_lock(&shared->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&shared->lock);
	shared->tests++;
	shared->failed += !good;
	snprintf(head, sizeof(head), "%sok %d - ", good ? "" : "not ", shared->tests);
	line(head, fmt, ap, tail);
	pthread_mutex_unlock(&shared->lock);
	return good;
}

void diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("# ", fmt, ap, "");
	va_end(ap);
}

bool ok(bool good, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	result(good, name, ap, "");
	va_end(ap);
	return good;
}

bool ok_errno(int err, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	result(!err, name, ap, "");
	va_end(ap);
	if (err)
		diag("  %s", strerror(err < 0 ? -err : err));
	return !err;
}

bool ok_is(long long got, long long want, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	result(got == want, name, ap, "");
	va_end(ap);
	if (got != want)
		diag("  got %lld (0x%llx), want %lld (0x%llx)", got, got, want, want);
	return got == want;
}

bool ok_refused(int err, int want, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	result(err == -want, name, ap, "");
	va_end(ap);
	if (err != -want)
		diag("  got %s, want %s", err < 0 ? strerror(-err) : "no refusal",
		     strerror(want));
	return err == -want;
}

void skip(const char *why, const char *name, ...)
{
	char tail[200];
	va_list ap;

	snprintf(tail, sizeof(tail), " # SKIP %s", why);
	va_start(ap, name);
	result(true, name, ap, tail);
	va_end(ap);
}

void need(int err, const char *name, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, name);
	result(false, name, ap, "");
	va_end(ap);
	diag("  %s; the rest needs it", strerror(err < 0 ? -err : err));
	exit(tap_end());
}

void tap_plan(int more)
{
	char s[60];

	snprintf(s, sizeof(s), "1..%d\n", shared->tests + more);
	write_all(s, strlen(s));
}

int tap_count(void)
{
	return shared->tests;
}

void tap_continue(int before)
{
	shared->tests = before;
}

int tap_end(void)
{
	tap_plan(0);
	if (shared->failed)
		diag("%d of %d failed", shared->failed, shared->tests);
	return shared->failed || !shared->tests;
}
