// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: until somebody has written a default, it is the instance whose device was there first, also
 * when two are loaded at once. What was written, a tag or "none", holds as long as vac is loaded: no
 * load of another instance makes that one the default, not after a rollback, and not when all were
 * unloaded meanwhile; the chosen one is the default again when it is loaded again.
 *
 * The module kvm-half is admitted and has no device: an instance in the middle of its load.
 *
 * fails when: who is alone is the default (mutant default-wants-to-be-alone), or a choice ends
 * with its instance (mutant default-choice-forgotten).
 *
 * only: amd
 * series: first
 */
#include <pthread.h>
#include <string.h>

#include "../lib/instances.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

static void default_is(const char *tag, const char *when)
{
	if (!ok(!strcmp(default_tag(), tag), "the default is %s %s", tag, when))
		diag("  it is %s", default_tag());
}

static void load(const char *tag)
{
	need(load_instance(tag), "%s loads", tag);
}

static void unload(const char *tag)
{
	need(unload_instance(tag), "%s unloads", tag);
}

static void *load_thread(void *tag)
{
	return (void *)(long)load_instance(tag);
}

static void at_once(void)
{
	pthread_t threads[2];
	void *r[2];
	int i;

	for (i = 0; i < 2; i++)
		need(-pthread_create(&threads[i], NULL, load_thread, (void *)tags[i]),
		     "a thread loads %s", tags[i]);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], &r[i]);
	ok(!r[0] && !r[1], "both are loaded");
	ok(!strcmp(default_tag(), "a") || !strcmp(default_tag(), "b"),
	   "one of them is the default: %s", default_tag());
	unload("a");
	unload("b");
}

static void nobody_has_written(void)
{
	need(mod_insert("kvm-half", ""), "an instance without a device is admitted");
	default_is("none", "then");
	load("a");
	default_is("a", "whose device is the first");
	load("b");
	default_is("a", "after another one");
	unload("a");
	default_is("none", "when it is gone");
	load("a");
	default_is("none", "when it comes back beside another one");
	unload("a");
	unload("b");
	load("b");
	default_is("b", "whose device is the first after all others went");
	need(mod_remove("kvm-half"), "the instance without a device unloads");
}

/* From here on a default has been written. b is loaded. */
static void rollback(void)
{
	load("a");
	need(set_default("a"), "an upgrade: a is the default");
	need(set_default("b"), "a rollback: b is the default");
	unload("b");
	default_is("none", "when b is gone");
	unload("a");
	load("a");
	default_is("none", "when a is loaded alone");
	load("b");
	default_is("b", "when b is loaded again");
	unload("a");
	unload("b");
}

static void unset(void)
{
	load("a");
	default_is("none", "as a was not chosen");
	need(set_default("none"), "none is written");
	load("b");
	default_is("none", "with b, which was chosen before");
	unload("a");
	unload("b");
	load("b");
	default_is("none", "with b alone");
	unload("b");
}

int main(void)
{
	load_vac();
	at_once();
	at_once();
	nobody_has_written();
	rollback();
	unset();
	need(mod_remove_within("vac", 5), "vac unloads");
	need(mod_insert("vac", ""), "vac loads again");
	load("a");
	default_is("a", "since nobody has written to this vac");
	unload("a");
	return tap_end();
}
