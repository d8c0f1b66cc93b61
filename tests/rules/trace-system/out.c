// SPDX-License-Identifier: GPL-2.0-only
/* A header of events, as include/trace/events/kvm.h is. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM KVM_TRACE_SYSTEM

#define kvm_trace_reasons "kvm"

TRACE_EVENT(kvm_event, TP_PROTO(int n), TP_ARGS(n));

/* This part must be outside protection */
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE kvm
#include <trace/define_trace.h>
