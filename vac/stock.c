// SPDX-License-Identifier: GPL-2.0-only
/*
 * stock.c - keeps the kernel's own KVM and vac apart, both ways.
 *
 * Stock KVM believes that it is alone. If it is loaded, vac refuses; while vac
 * is loaded, a module notifier refuses the stock modules before their first
 * instruction runs. udev would otherwise load them by CPU alias at any
 * "udevadm trigger", and KVMGT would pull in kvm.ko.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/string.h>

#include "internal.h"

static const char * const stock_modules[] = { "kvm", "kvm_amd", "kvm_intel" };

/* Process context, called by the module loader with no lock of ours held. */
static int module_event(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct module *mod = data;
	int i;

	if (action != MODULE_STATE_COMING)
		return NOTIFY_DONE;
	for (i = 0; i < ARRAY_SIZE(stock_modules); i++) {
		if (strcmp(mod->name, stock_modules[i]))
			continue;
		pr_err("refused the stock module %s: vac owns virtualization here; to return to it: rmmod the instances, rmmod vac, modprobe %s\n",
		       mod->name, mod->name);
		vac_refused(mod->name, "stock-kvm");
		return notifier_from_errno(-EBUSY);
	}
	return NOTIFY_DONE;
}

static struct notifier_block module_nb = { .notifier_call = module_event };

/**
 * vac_stock_init() - Refuse if stock KVM is here, keep it out if it is not.
 *
 * The notifier comes first and the look second, so no load slips in between.
 * kvm_get_kvm() is exported by the stock kvm.ko and by nobody else.
 *
 * Context: process context.
 * Return: 0, or -EBUSY with stock kvm loaded.
 */
int __init vac_stock_init(void)
{
	int r;

	r = register_module_notifier(&module_nb);
	if (r)
		return r;
	if (__symbol_get("kvm_get_kvm")) {
		__symbol_put("kvm_get_kvm");
		unregister_module_notifier(&module_nb);
		pr_err("refused: the stock kvm module is loaded; stop its VMs, then: modprobe -r kvm_amd kvm_intel kvm\n");
		return -EBUSY;
	}
	return 0;
}

void vac_stock_exit(void)
{
	unregister_module_notifier(&module_nb);
}
