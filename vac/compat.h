/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - the one place where vac meets differences between target kernels.
 *
 * Each difference is a VAC_HAVE_* macro that a probe sets; no other file tests
 * one. The supported kernels, 6.1 of Debian 12, need none so far.
 */
#ifndef VAC_COMPAT_H
#define VAC_COMPAT_H

#endif /* VAC_COMPAT_H */
