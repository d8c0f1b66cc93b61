// SPDX-License-Identifier: GPL-2.0-only

/* Near misses: another type, another name, a declaration. */
static DEFINE_PER_CPU(u32, current_tsc_ratio);
static DEFINE_PER_CPU(u64, current_tsc_ratio_other);
DECLARE_PER_CPU(u64, current_tsc_ratio);
