/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report.h - TAP from the kernel once user space has stopped: frames of the type C on the report
 * port (see ../init/report.c), which nobody else may be writing to.
 */
#ifndef REPORT_H
#define REPORT_H

#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/processor.h>

#define REPORT_PORT	0x2f8
#define LINE_STATUS	5
#define TX_READY	0x20
#define TX_DONE		0x40

static inline void report_put(const char *text, int size)
{
	while (size--) {
		while (!(inb(REPORT_PORT + LINE_STATUS) & TX_READY))
			cpu_relax();
		outb(*text++, REPORT_PORT);
	}
}

static inline void report_done(void)
{
	while (!(inb(REPORT_PORT + LINE_STATUS) & TX_DONE))
		cpu_relax();
}

static __printf(2, 3) void report_tap(bool good, const char *format, ...)
{
	static int sequence;
	static char text[120], frame[160];
	va_list args;
	int head, n;
	u32 crc;

	head = sprintf(text, "C %d ", sequence++);
	n = head + sprintf(text + head, "%s - ", good ? "ok" : "not ok");
	va_start(args, format);
	n += vscnprintf(text + n, sizeof(text) - n, format, args);
	va_end(args);
	crc = ~crc32_le(~0, text, n);
	n = sprintf(frame, "\n\x1e%.*s%08x %s\n", head, text, crc, text + head);
	report_put(frame, n);
}

#endif /* REPORT_H */
