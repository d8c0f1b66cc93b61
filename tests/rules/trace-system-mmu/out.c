// SPDX-License-Identifier: GPL-2.0-only
#undef TRACE_SYSTEM
#define TRACE_SYSTEM KVMMMU_TRACE_SYSTEM

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH arch/x86/kvm/mmu
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE mmutrace
#include <trace/define_trace.h>
