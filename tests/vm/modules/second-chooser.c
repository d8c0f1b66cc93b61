// SPDX-License-Identifier: GPL-2.0-only
/* second-chooser.c - chooser.c once more, under another name. */
#include "chooser.c"
