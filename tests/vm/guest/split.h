/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that writes eight bytes across two pages of a device, four into each, with ENTER. The
 * VMM gets them in two exits. Does it get what the guest wrote?
 *
 * That is what "KVM: x86: Use scratch field in MMIO fragment to hold small write values"
 * (CVE-2026-31588) fixed. A KVM without it reads the second half only when the VMM comes back, from
 * a local variable of the function that emulated ENTER, which has returned: a use after return.
 */
#ifndef SPLIT_H
#define SPLIT_H

/*
 * A new VM on `dev` makes `writes` of them. Returns how many second halves were wrong, the largest
 * of these in *got; or -errno, -EPROTO if anything else went wrong: split_why().
 */
int split_writes(const char *dev, int writes, unsigned int *got);
const char *split_why(void);

#endif
