// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: a module can choose the instance at each open of /dev/kvm: one by its tag, or the default,
 * or none, with an error of its own. If the named one is not loaded the chooser is asked once more;
 * then the open fails, and goes to no other. A chooser can ask vac before whether an instance is
 * loaded and whether it is closed. There is one chooser at a time.
 * It may sleep, and be unloaded while it does: no call runs in it afterwards.
 *
 * fails when: it is asked and not heard (mutant chooser-is-not-heard), or not asked again (mutant
 * chooser-is-asked-once), it is not told that an instance is closed (mutant closing-is-not-told), or
 * its unload does not wait for a call (mutant
 * chooser-is-not-waited-for: an oops).
 *
 * machine: --cpus 1
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lib/instances.h"
#include "../lib/klog.h"
#include "../lib/mod.h"
#include "../lib/sysfs.h"
#include "../lib/tap.h"

#define CHOOSER "/sys/module/chooser/parameters"

/* The instance that an open of /dev/kvm comes to: 0 for a, 1 for b, or -errno. */
static int leads_to(void)
{
	int dev = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, t = -ENOENT, i;

	if (dev < 0)
		return -errno;
	vm = ioctl(dev, KVM_CREATE_VM, 0);
	for (i = 0; vm >= 0 && i < 2; i++)
		if (instance_number(tags[i], "vms") == 1)
			t = i;
	close(vm);
	close(dev);
	return t;
}

static void chooser_is(const char *name)
{
	char value[64] = "?";

	sys_read(value, sizeof(value), VAC "/chooser");
	ok(!strcmp(value, name), "the chooser is %s (%s)", name, value);
}

static void *opens(void *result)
{
	*(int *)result = leads_to();
	return NULL;
}

static void unloaded_while_it_sleeps(void)
{
	pthread_t thread;
	int t = -1, i;

	need(sys_write("1500", CHOOSER "/ms"), "it takes its time");
	need(sys_write("b", CHOOSER "/tag"), "to say b");
	i = sys_read_number(CHOOSER "/asked");
	need(pthread_create(&thread, NULL, opens, &t), "somebody opens /dev/kvm");
	while (sys_read_number(CHOOSER "/asked") == i)
		usleep(1000);
	ok_errno(mod_remove("chooser"), "it unloads while it is asked");
	pthread_join(thread, NULL);
	ok_is(t, 1, "who had asked has its answer");
	chooser_is("none");
}

int main(void)
{
	char value[16] = "?";
	struct klog log;

	load_two();
	need(set_default("a"), "the default is a");
	chooser_is("none");
	ok_is(leads_to(), 0, "without a chooser /dev/kvm is the default's");
	need(mod_insert("chooser", "tag=b"), "a chooser loads");
	chooser_is("chooser");
	ok_is(leads_to(), 1, "what it names is where /dev/kvm leads");
	need(sys_write("a", CHOOSER "/tag"), "it changes its mind");
	ok_is(leads_to(), 0, "and the next open goes there");
	need(set_default("b"), "the default is b");
	ok_is(leads_to(), 0, "which it need not be");
	need(sys_write("\n", CHOOSER "/tag"), "it has no wish");
	ok_is(leads_to(), 1, "and it is the default");

	need(klog_mark(&log), "the kernel log can be read");
	need(sys_write("nosuch", CHOOSER "/tag"), "it names one that is not there");
	ok_is(leads_to(), -ENXIO, "which is refused");
	if (!ok(klog_find(&log, "chooser nosuch"), "the log says why"))
		klog_show(&log);
	ok_is(klog_count(&log, ""), 1, "in one line");
	klog_end(&log);
	need(sys_write("a234567890123456789012345", CHOOSER "/tag"),
	     "one that is no tag");
	ok_is(leads_to(), -ENXIO, "is refused");
	need(sys_write("b", CHOOSER "/tag"), "it wants b");
	need(sys_write("gone", CHOOSER "/once"), "but first one that has just gone");
	ok_is(leads_to(), 1, "it is asked once more");
	need(sys_write("nosuch", CHOOSER "/tag"), "it wants what is not there");
	need(sys_write("b", CHOOSER "/otherwise"), "but asks, and then wants b");
	ok_is(leads_to(), 1, "which it gets");
	need(sys_write("a", CHOOSER "/tag"), "it would rather have a");
	ok_is(leads_to(), 0, "which is there");
	need(sys_write("1", VAC "/instances/a/closed"), "a is closed");
	ok_is(leads_to(), 1, "as it is told: b");
	need(sys_write("0", VAC "/instances/a/closed"), "a is open");
	need(sys_write("\n", CHOOSER "/otherwise"), "it asks no more");
	need(sys_write("-13", CHOOSER "/error"), "it refuses by itself");
	ok_is(leads_to(), -EACCES, "with its own error");
	need(sys_write("0", CHOOSER "/error"), "no more");

	sys_read(value, sizeof(value), CHOOSER "/second");
	ok(!strcmp(value, "-16"), "a second one was refused (%s)", value);
	chooser_is("chooser");
	unloaded_while_it_sleeps();
	ok_is(leads_to(), 1, "/dev/kvm is the default's again");
	unload_two();
	return tap_end();
}
