// SPDX-License-Identifier: GPL-2.0-only
struct svm_cpu_data {
	u64 asid_generation;
	u32 max_asid;
	u32 next_asid;
	u32 min_asid;
	u32 min_asid_other;
};

/* Near misses: other types, a list of names. */
struct sev_info {
	unsigned int max_asid;
	u64 next_asid;
	u32 min_asid, asid;
};
