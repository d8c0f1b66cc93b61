/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vac

#if !defined(VAC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VAC_TRACE_H

#include <linux/tracepoint.h>

#include "compat.h"

TRACE_EVENT(vac_vcpu_switch,
	TP_PROTO(const char *tag, u32 instance, u64 vm, u64 vcpu, int last),
	TP_ARGS(tag, instance, vm, vcpu, last),
	TP_STRUCT__entry(
		__string(tag, tag)
		__field(u32, instance)
		__field(u64, vm)
		__field(u64, vcpu)
		__field(int, last)
	),
	TP_fast_assign(
		vac_assign_str(tag);
		__entry->instance = instance;
		__entry->vm = vm;
		__entry->vcpu = vcpu;
		__entry->last = last;
	),
	TP_printk("instance %u %s vm %llu vcpu %llu last %s", __entry->instance, __get_str(tag),
		  __entry->vm, __entry->vcpu,
		  __print_symbolic(__entry->last, { 0, "other" }, { 1, "instance" }))
);

TRACE_EVENT(vac_svm_asid_alloc,
	TP_PROTO(const char *tag, u64 generation, u32 asid, bool flush),
	TP_ARGS(tag, generation, asid, flush),
	TP_STRUCT__entry(
		__string(tag, tag)
		__field(u64, generation)
		__field(u32, asid)
		__field(bool, flush)
	),
	TP_fast_assign(
		vac_assign_str(tag);
		__entry->generation = generation;
		__entry->asid = asid;
		__entry->flush = flush;
	),
	TP_printk("instance %s generation %llu asid %u flush %d", __get_str(tag),
		  __entry->generation, __entry->asid, __entry->flush)
);

TRACE_EVENT(vac_svm_srso,
	TP_PROTO(bool on),
	TP_ARGS(on),
	TP_STRUCT__entry(
		__field(bool, on)
	),
	TP_fast_assign(
		__entry->on = on;
	),
	TP_printk("on %d", __entry->on)
);

TRACE_EVENT(vac_vmx_vpid_alloc,
	TP_PROTO(const char *tag, int vpid),
	TP_ARGS(tag, vpid),
	TP_STRUCT__entry(
		__string(tag, tag)
		__field(int, vpid)
	),
	TP_fast_assign(
		vac_assign_str(tag);
		__entry->vpid = vpid;
	),
	TP_printk("instance %s vpid %d", __get_str(tag), __entry->vpid)
);

DECLARE_EVENT_CLASS(vac_vmx_flush,
	TP_PROTO(unsigned int cpu),
	TP_ARGS(cpu),
	TP_STRUCT__entry(
		__field(unsigned int, cpu)
	),
	TP_fast_assign(
		__entry->cpu = cpu;
	),
	TP_printk("cpu %u", __entry->cpu)
);

DEFINE_EVENT(vac_vmx_flush, vac_vmx_vpid_flush,
	TP_PROTO(unsigned int cpu),
	TP_ARGS(cpu)
);

DEFINE_EVENT(vac_vmx_flush, vac_vmx_ept_flush,
	TP_PROTO(unsigned int cpu),
	TP_ARGS(cpu)
);

#endif /* VAC_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
