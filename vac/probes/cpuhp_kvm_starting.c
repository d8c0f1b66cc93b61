// SPDX-License-Identifier: GPL-2.0-only
/*
 * until: 6.2; "KVM: Rename and move CPUHP_AP_KVM_STARTING to ONLINE section" of 6.3.
 * why: KVM's hotplug state is called with interrupts off there, in the STARTING section.
 */
#include <linux/cpuhotplug.h>

enum cpuhp_state probe = CPUHP_AP_KVM_STARTING;
