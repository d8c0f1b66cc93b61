/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest with firmware in SMM: at one address it has a device outside of SMM and memory, its
 * SMRAM, in SMM. Which of the two does the firmware reach?
 *
 * That is what "KVM: x86: Use active memslots for the per-vCPU MMIO cache" (CVE-2026-99082)
 * fixed. A KVM without it remembers the address of the last device page that a vCPU used, but not
 * that it is a device only outside of SMM. When the handler then uses its memory there with an
 * instruction that KVM emulates, the access goes to the VMM, as one to the device.
 */
#ifndef SMM_H
#define SMM_H

#include "vmm.h"

struct smm;

enum smm_reach {
	SMM_MEMORY, /* its own, as it should */
	SMM_DEVICE, /* the bug */
};

/* A new VM on `dev`. 0 or -errno. */
int smm_start(struct smm **s, const char *dev);
/*
 * The guest uses the device, an SMI comes, and the handler reads its memory. What it reached, or
 * -errno; -EPROTO if it was neither, or something else went wrong: smm_why().
 */
int smm_look(struct smm *s);
const char *smm_why(void);
void smm_end(struct smm *s); /* NULL is fine */

#endif
