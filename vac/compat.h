/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - the one place where vac meets differences between target kernels.
 *
 * Each is a function or macro that has the same meaning on all of them; what
 * a kernel offers is asked of its headers, never of its version.
 */
#ifndef VAC_COMPAT_H
#define VAC_COMPAT_H

#include <asm/cpufeature.h>

/* The kernel may run TDX guests. Older kernels cannot: they know no such feature. */
#ifdef X86_FEATURE_TDX_HOST_PLATFORM
#define vac_tdx_host()	cpu_feature_enabled(X86_FEATURE_TDX_HOST_PLATFORM)
#else
#define vac_tdx_host()	false
#endif

#endif /* VAC_COMPAT_H */
