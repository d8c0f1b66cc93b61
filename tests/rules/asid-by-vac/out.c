// SPDX-License-Identifier: GPL-2.0-only
static void new_asid(struct vcpu_svm *svm, struct svm_cpu_data *sd)
{
	if (vac_svm_asid_alloc(kvm_vac, &sd->asid_generation, &svm->asid)) {
		flush(svm->vmcb);
	}

	svm->current_vmcb->asid_generation = sd->asid_generation;
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
