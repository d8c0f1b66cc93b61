// SPDX-License-Identifier: GPL-2.0-only
#undef TRACE_SYSTEM
#define   TRACE_SYSTEM	kvm /* the system */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../arch/x86/kvm
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
