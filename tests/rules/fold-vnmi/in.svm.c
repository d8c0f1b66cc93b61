// SPDX-License-Identifier: GPL-2.0-only
bool vnmi = true;
module_param(vnmi, bool, 0444);
/* Near miss: another parameter. */
module_param(vgif, bool, 0444);
