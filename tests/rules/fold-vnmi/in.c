// SPDX-License-Identifier: GPL-2.0-only
static bool __read_mostly enable_vnmi = 1;
module_param_named(vnmi, enable_vnmi, bool, 0444);
/* Near miss: another parameter. */
module_param_named(vpid, enable_vpid, bool, 0444);
