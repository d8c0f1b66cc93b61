/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a VMM's thread has in the CPU itself, and what must still be there after each KVM_RUN:
 * XMM0-15, MXCSR, the x87 control word, the GS base, TSC_AUX of the CPU it is on; and on Intel a
 * breakpoint of its own in the debug registers and the MSRs of SYSCALL. (QEMU 7.2 may crash where
 * VMRUN and #VMEXIT change the types of breakpoints, and SVM switches those MSRs itself.)
 *
 * All is of the calling thread. What is wrong is shown as diag().
 */
#ifndef HOST_H
#define HOST_H

#include "vmm.h"

/*
 * The thread stays on its CPU while it holds `still`: whoever moves it takes that first. It is
 * on one CPU only. 0 or -errno.
 */
int host_begin(const char *name, uint64_t seed, pthread_mutex_t *still);
int host_enter(struct vcpu *v); /* for vcpu->enter */
int host_end(void);		/* how often something was wrong */

#endif
