// SPDX-License-Identifier: GPL-2.0-only
/*
 * pmu-offsets.c - where the snapshot has what perf reads of a guest's PMU; not linked, becomes
 * pmu-offsets.h for perf_layout.c.
 */
#define COMPILE_OFFSETS
#include <linux/kbuild.h>
#include <linux/kvm_host.h>

static void __used common(void)
{
	OFFSET(SNAPSHOT_PMU_DS_AREA, kvm_pmu, ds_area);
	OFFSET(SNAPSHOT_PMU_PEBS_ENABLE, kvm_pmu, pebs_enable);
	OFFSET(SNAPSHOT_PMU_PEBS_DATA_CFG, kvm_pmu, pebs_data_cfg);
	OFFSET(SNAPSHOT_PMU_HOST_CROSS_MAPPED_MASK, kvm_pmu, host_cross_mapped_mask);
}
