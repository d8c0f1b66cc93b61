/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio_names.h - what VFIO looks up by name; the same as in the kernel's kvm_host.h.
 */
#ifndef VAC_VFIO_NAMES_H
#define VAC_VFIO_NAMES_H

#include <linux/types.h>

struct kvm;

bool kvm_get_kvm_safe(struct kvm *kvm);
void kvm_put_kvm(struct kvm *kvm);

#endif /* VAC_VFIO_NAMES_H */
