// SPDX-License-Identifier: GPL-2.0-only
static void new_asid(struct vcpu_svm *svm, struct svm_cpu_data *sd)
{
	if (sd->next_asid > sd->max_asid) {
		++sd->asid_generation;
		sd->next_asid = sd->min_asid;
		flush(svm->vmcb);
	}

	svm->current_vmcb->asid_generation = sd->asid_generation;
	svm->asid = sd->next_asid++;
}

/* Near misses: who only compares, and another allocator. */
static void before_run(struct vcpu_svm *svm, struct svm_cpu_data *sd)
{
	if (svm->current_vmcb->asid_generation != sd->asid_generation)
		new_asid(svm, sd);
}

static void new_key(struct vcpu_svm *svm, struct svm_cpu_data *sd)
{
	if (sd->next_key > sd->max_key) {
		++sd->key_generation;
		sd->next_key = sd->min_key;
		flush(svm->vmcb);
	}
	svm->key = sd->next_key++;
}
