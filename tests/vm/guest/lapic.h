/* SPDX-License-Identifier: GPL-2.0-only */
/* The local APIC as payloads use it. */
#ifndef LAPIC_H
#define LAPIC_H

#include "code.h"

#define LAPIC_TPR     (LAPIC_GPA + 0x80)
#define LAPIC_EOI     (LAPIC_GPA + 0xb0)
#define LAPIC_SVR     (LAPIC_GPA + 0xf0)
#define LAPIC_TIMER   (LAPIC_GPA + 0x320)
#define LAPIC_COUNT   (LAPIC_GPA + 0x380)
#define LAPIC_CURRENT (LAPIC_GPA + 0x390)
#define LAPIC_DIVIDE  (LAPIC_GPA + 0x3e0)

#define LAPIC_TIMER_DEADLINE (2U << 17)
#define MSR_TSC_DEADLINE     0x6e0

/* Enabled, and its timer counts once, without a divisor, to `vector`. */
INLINE void lapic_on(uint32_t vector)
{
	mmio_write(LAPIC_SVR, 0x1ff);
	mmio_write(LAPIC_TPR, 0);
	mmio_write(LAPIC_DIVIDE, 0xb);
	mmio_write(LAPIC_TIMER, vector);
}

#endif
