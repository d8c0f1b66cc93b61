// SPDX-License-Identifier: GPL-2.0-only
static DEFINE_SPINLOCK(other_lock);
#ifdef CONFIG_CPU_MITIGATIONS
static atomic_t other_nr_vms;

static void svm_srso_vm_destroy(void)
{
	if (!cpu_feature_enabled(FEATURE))
		return;

	vac_svm_srso_put(kvm_vac);
}

static void svm_srso_vm_init(void)
{
	if (!cpu_feature_enabled(FEATURE))
		return;

	vac_svm_srso_get(kvm_vac);
}
#else
static void svm_srso_vm_init(void) { }
static void svm_srso_vm_destroy(void) { }
#endif

static void switch_to_guest(struct svm_cpu_data *sd)
{
	if (cpu_feature_enabled(FEATURE) &&
	    !vac_svm_srso_is_reduced()) {
		vac_svm_srso_reduce();
	}
	/* A near miss: another belief. */
	if (cpu_feature_enabled(FEATURE) &&
	    !sd->other_set) {
		sd->other_set = true;
		msr_set_bit(MSR, BIT);
	}
}
