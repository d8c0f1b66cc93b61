/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that writes eight bytes across two pages of a device, four into each, with ENTER. The
 * VMM gets them in two exits. Does it get what the guest wrote?
 *
 * That is what "KVM: x86: Use scratch field in MMIO fragment to hold small write values"
 * (CVE-2026-31588) fixed. A KVM without it reads the second half when the VMM comes back, from where
 * the value was when it emulated ENTER: a variable on the host's stack that is no more.
 */
#ifndef SPLIT_H
#define SPLIT_H

/*
 * `writes` of them by a new VM on `dev`; how many second halves were wrong, the largest such one
 * in *got. -errno; -EPROTO if anything else went wrong: split_why().
 */
int split_writes(const char *dev, int writes, unsigned int *got);
const char *split_why(void);

#endif
