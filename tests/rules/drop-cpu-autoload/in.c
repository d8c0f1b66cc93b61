// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_host.h>

static const struct x86_cpu_id vmx_cpu_id[] = {
	X86_MATCH_FEATURE(X86_FEATURE_VMX, NULL),
	{}
};
MODULE_DEVICE_TABLE(x86cpu, vmx_cpu_id);

/* Near misses: a table for another bus, and one of CPUs that is read by code. */
static const struct pci_device_id vmx_pci_id[] = {
	{ PCI_DEVICE(1, 2) },
	{}
};
MODULE_DEVICE_TABLE(pci, vmx_pci_id);

static const struct x86_cpu_id vmx_cpu_quirk[] = {
	X86_MATCH_FEATURE(X86_FEATURE_OTHER, NULL),
	{}
};
