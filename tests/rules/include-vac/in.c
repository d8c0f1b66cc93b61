// SPDX-License-Identifier: GPL-2.0-only
#ifndef ONE_H
#define ONE_H

#include <linux/types.h>	/* u64 */
#include <linux/types.hpp>
#include "linux/types.h"

/* not this: #include <linux/types.h> */
extern u64 one;

#endif
