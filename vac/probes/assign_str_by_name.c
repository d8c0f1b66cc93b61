// SPDX-License-Identifier: GPL-2.0-only
/*
 * since: 6.10; "tracing/treewide: Remove second parameter of __assign_str()".
 * why: a string of a trace event is named once, in __string().
 */
#include <linux/tracepoint.h>
#include <trace/stages/stage6_event_callback.h>

#define TEXT_(...)	#__VA_ARGS__
#define TEXT(...)	TEXT_(__VA_ARGS__)

const char *probe = TEXT(__assign_str(tag));
