// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_names.c - vac-vfio.ko: the names under which VFIO looks for KVM.
 *
 * A module of its own, because a module whose export the kernel knows already is
 * refused by the loader and not by us: were these names in vac.ko, vac and the
 * stock KVM could not say why they keep each other out. vac loads it when a VM
 * is first tied to a VFIO device. In the namespace VAC nobody links the names by
 * accident; symbol_get(), which VFIO uses, does not look at namespaces.
 */
#include <linux/export.h>
#include <linux/module.h>

#include "internal.h"
#include "vfio_names.h"

/**
 * kvm_get_kvm_safe() - Take a reference to a VM; see vac_vfio_get().
 * @kvm: the VM.
 *
 * Context: any but interrupts.
 * Return: false if there is none to take.
 */
bool kvm_get_kvm_safe(struct kvm *kvm)
{
	return vac_vfio_get(kvm);
}
VAC_EXPORT(kvm_get_kvm_safe);

/**
 * kvm_put_kvm() - Drop it; see vac_vfio_put().
 * @kvm: the VM.
 *
 * Context: process context.
 */
void kvm_put_kvm(struct kvm *kvm)
{
	vac_vfio_put(kvm);
}
VAC_EXPORT(kvm_put_kvm);

MODULE_IMPORT_NS(VAC);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The names under which VFIO looks for KVM, for vac");
