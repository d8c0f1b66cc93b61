// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf_layout.c - perf_guest_get_msrs() of the kernel takes a struct kvm_pmu of KVM's, laid out as
 * that kernel's own headers say (hazard 16). Compiled with those, it compares them with the
 * snapshot's: an instance that perf would misread is not built.
 */
#include <linux/build_bug.h>
#include <linux/kvm_host.h>

#include "pmu-offsets.h"

#define SAME(member, snapshot)								\
	static_assert(offsetof(struct kvm_pmu, member) == (snapshot),			\
		      "this kernel's perf reads struct kvm_pmu." #member		\
		      " elsewhere than the snapshot has it")

SAME(ds_area, SNAPSHOT_PMU_DS_AREA);
SAME(pebs_enable, SNAPSHOT_PMU_PEBS_ENABLE);
SAME(pebs_data_cfg, SNAPSHOT_PMU_PEBS_DATA_CFG);
SAME(host_cross_mapped_mask, SNAPSHOT_PMU_HOST_CROSS_MAPPED_MASK);
