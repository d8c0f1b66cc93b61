// SPDX-License-Identifier: GPL-2.0-only
struct svm_cpu_data {
	bool flush_all_asids;
	bool bp_spec_reduce_set;
};

/* Near misses: another type, a list of names. */
struct other {
	u8 bp_spec_reduce_set;
	bool flush, bp_spec_reduce_set_too;
};
