// SPDX-License-Identifier: GPL-2.0-only
/*
 * chooser.c - picks the instance at an open of /dev/kvm as its parameters say: the one that "tag"
 * names ("": the default), after "ms" milliseconds, or "otherwise" where that one makes no VMs, or
 * none, with the error "error". Before all that it names, for one open, what "once" says.
 * The result of registering a second chooser is in "second".
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/string.h>
#include <vac.h>

static char tag[40];
module_param_string(tag, tag, sizeof(tag), 0644);
static char once[40];
module_param_string(once, once, sizeof(once), 0644);
static char otherwise[40];
module_param_string(otherwise, otherwise, sizeof(otherwise), 0644);
static int error;
module_param(error, int, 0644);
static unsigned int ms;
module_param(ms, uint, 0644);
static unsigned int asked;
module_param(asked, uint, 0444);
static int second;
module_param(second, int, 0444);

static int choose(struct file *file, char *to)
{
	const char *wish = strim(tag);

	asked++;
	msleep(ms);
	if (*strim(otherwise) && vac_instance_state(wish) != VAC_INSTANCE_DEVICE)
		wish = otherwise;
	if (*strim(once))
		wish = once;
	memcpy(to, wish, VAC_TAG_MAX + 1);	/* a longer one is cut off */
	*once = '\0';
	return error;
}

static const struct vac_chooser_ops ops = {
	.size = sizeof(ops),
	.owner = THIS_MODULE,
	.choose = choose,
};

static int __init chooser_init(void)
{
	const struct vac_chooser_ops of_another = { .size = sizeof(ops) };
	int r = vac_chooser_register(&ops);

	if (r)
		return r;
	second = vac_chooser_register(&ops);
	vac_chooser_unregister(&of_another);	/* which does nothing */
	return 0;
}
module_init(chooser_init);

static void __exit chooser_exit(void)
{
	vac_chooser_unregister(&ops);
}
module_exit(chooser_exit);

MODULE_IMPORT_NS(VAC);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's module that chooses the instance");
