// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_names.c - vac-vfio.ko: the names under which VFIO looks for KVM.
 *
 * A module of its own, because the module loader itself refuses a module that
 * exports a known name: were these names in vac.ko, vac and the stock KVM would
 * keep each other out without the message that says why. vac loads it when a VM is
 * first tied to a VFIO device.
 *
 * The names are for symbol_get(), which VFIO uses, and for nobody else: see
 * VAC_LOOKUP().
 */
#include <linux/build_bug.h>
#include <linux/kconfig.h>
#include <linux/module.h>

#include "internal.h"
#include "vfio_names.h"

/*
 * VAC_LOOKUP() - Let symbol_get() find a function that depmod does not see.
 *
 * depmod takes the stock kvm's exports and these for the same, and prefers what
 * lies below updates/: the stock kvm-amd, which needs kvm_put_kvm(), would come
 * to depend on vac-vfio and vac, and could not be loaded any more. A folder that
 * depmod does not search does not help: dkms installs, signs, compresses and
 * removes modules below updates/ only, and depmod.d cannot exclude one module.
 *
 * depmod takes a module's exports from the symbols __crc_NAME, and else from the
 * section __ksymtab_strings; EXPORT_SYMBOL() makes both. The kernel's loader reads
 * neither: it finds the name by an entry in __ksymtab_gpl, which is made here, and
 * needs a CRC in __kcrctab_gpl, which it compares only for modules that link against
 * the name. None should: the CRC is 0, and the namespace VAC. modpost does not see
 * the name, either. struct kernel_symbol is in kernel/module/internal.h.
 */
#define VAC_LOOKUP(symbol)						\
	asm(".pushsection .rodata, \"a\"\n"				\
	    "771:	.asciz \"" #symbol "\"\n"			\
	    "772:	.asciz \"VAC\"\n"				\
	    ".section \"___ksymtab_gpl+" #symbol "\", \"a\"\n"	\
	    "	.balign 4\n"						\
	    "	.long " #symbol " - .\n"				\
	    "	.long 771b - .\n"					\
	    "	.long 772b - .\n"					\
	    ".section \"___kcrctab_gpl+" #symbol "\", \"a\"\n"	\
	    "	.balign 4\n"						\
	    "	.long 0\n"						\
	    ".popsection\n")

static_assert(IS_ENABLED(CONFIG_HAVE_ARCH_PREL32_RELOCATIONS));

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
VAC_LOOKUP(kvm_get_kvm_safe);

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
VAC_LOOKUP(kvm_put_kvm);

MODULE_IMPORT_NS(VAC);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The names under which VFIO looks for KVM, for vac");
