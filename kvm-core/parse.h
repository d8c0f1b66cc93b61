/* SPDX-License-Identifier: GPL-2.0-only */
/* What Coccinelle's parser must be told about macros of the kernel that its own list lacks. */
#define DEFINE_STATIC_CALL_RET0		YACFE_DECLARATOR
#define kvm_for_each_vcpu		YACFE_ITERATOR
#define kvm_for_each_memslot		YACFE_ITERATOR
