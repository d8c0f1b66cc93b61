/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_vac.h - what every file of an instance knows of vac; kvm_host.h includes it.
 */
#ifndef KVM_VAC_H
#define KVM_VAC_H

#include <linux/export.h>
#include <linux/static_call.h>
#include <linux/tracepoint.h>
#include <record.h>
#include <vac.h>

/* Set before any vendor code runs, cleared after the last of it. */
extern struct vac_instance *kvm_vac;

/* A name that tells the instance; KVM_INSTANCE_NAME is "kvm-<tag>". */
#define KVM_OWN_NAME(suffix) KVM_INSTANCE_NAME suffix

/*
 * An instance exports nothing: its vendor modules are folded in, and of two
 * instances with the same export only one could be loaded. The audit checks this.
 */
#undef EXPORT_SYMBOL
#define EXPORT_SYMBOL(symbol)
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL_GPL(symbol)
#undef EXPORT_STATIC_CALL_GPL
#define EXPORT_STATIC_CALL_GPL(name)
#undef EXPORT_STATIC_CALL_TRAMP_GPL
#define EXPORT_STATIC_CALL_TRAMP_GPL(name)
#undef EXPORT_TRACEPOINT_SYMBOL_GPL
#define EXPORT_TRACEPOINT_SYMBOL_GPL(name)

#endif /* KVM_VAC_H */
