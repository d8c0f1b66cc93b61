// SPDX-License-Identifier: GPL-2.0-only
static void svm_cpu_uninit(int cpu)
{
	struct svm_cpu_data *sd = per_cpu_ptr(&svm_data, cpu);

	__free_page(sd->save_area);
	__free_page(sd->other_area);
	sd->save_area = NULL;
}

static int svm_cpu_init(int cpu)
{
	struct svm_cpu_data *sd = per_cpu_ptr(&svm_data, cpu);

	sd->save_area = alloc_page(GFP_KERNEL | __GFP_ZERO);
	sd->other_area = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!sd->save_area || !sd->other_area)
		return -ENOMEM;
	if (other_init(sd))
		goto free_save_area;
	return 0;

free_save_area:
	__free_page(sd->save_area);
	return -EIO;
}
