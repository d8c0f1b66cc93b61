// SPDX-License-Identifier: GPL-2.0-only

/* Near miss: another function's. */
static int other_cpu_vmxoff(void)
{
	return kvm_cpu_vmxoff();
}
