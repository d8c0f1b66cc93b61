// SPDX-License-Identifier: GPL-2.0-only
static bool enable_virt_at_load = true;
module_param(enable_virt_at_load, bool, 0444);

/* Near miss: another default. */
static bool other = true;
