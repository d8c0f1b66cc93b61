// SPDX-License-Identifier: GPL-2.0-only
/*
 * What init says to the host.
 *
 * The report goes to the second serial port, which the kernel never writes to, in frames:
 *
 *	0x1e type ' ' sequence ' ' crc32 ' ' payload '\n'
 *
 * The checksum covers type, sequence and payload; bytes below 0x20, 0x7f and '\' are
 * written as \xNN in the payload. So whatever a program prints, the reader (tests/vm/machine)
 * can tell a damaged or lost frame from a good one. Types:
 *
 *	B boot	 uptime in ms: init runs		H heartbeat  uptime in ms
 *	O stdout line of the scenario (o: the beginning of a line that goes on)
 *	E stderr line of the scenario (e: same)
 *	K kernel message: "level text"; level <= 4 since boot, all since init started
 *	P problem or evidence that init noticed itself, for a person
 *	V verdict, always last: "exit N", "signal N", "time", "stuck what" or "setup what"
 *	C like O, from the kernel after a panic (modules/crash-path.c), with sequences of its own
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

#define REPORT_PORT "/dev/ttyS1"

int heartbeat_ms = 1000;

static int report_fd = -1;
static unsigned int sequence;

/* Time in suspend counts for the limit: the host does not stop its clock either. */
long uptime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

static uint32_t crc32(uint32_t crc, const char *data, size_t size)
{
	crc = ~crc;
	while (size--) {
		crc ^= (unsigned char)*data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* 0 or -errno. When a report cannot be written there is nobody left to tell. */
int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		data += n;
		size -= n;
	}
	return 0;
}

void send_frame(char type, const char *data, size_t size)
{
	char body[32 + 4 * MAX_PAYLOAD], frame[64 + sizeof(body)];
	uint32_t crc;
	int head, n;

	if (size > MAX_PAYLOAD)
		size = MAX_PAYLOAD;
	head = sprintf(body, "%c %u ", type, sequence++);
	n = head;
	for (size_t i = 0; i < size; i++) {
		unsigned char c = data[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f || c == '\\')
			n += sprintf(body + n, "\\x%02x", c);
		else
			body[n++] = c;
	}
	crc = crc32(0, body, n);
	n = sprintf(frame, "\x1e%.*s%08x %.*s\n", head, body, crc, n - head, body + head);
	write_all(report_fd, frame, n);
}

void send(char type, const char *format, ...)
{
	char text[MAX_PAYLOAD];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_frame(type, text, n < (int)sizeof(text) ? n : (int)sizeof(text) - 1);
}

void heartbeat(void)
{
	static long next;
	long now = uptime_ms();

	if (now < next)
		return;
	send('H', "%ld", now);
	next = now + heartbeat_ms;
}

void power_off(void)
{
	if (report_fd >= 0)
		tcdrain(report_fd);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* The machine cannot run anything: say so on whatever works. */
void give_up(const char *format, ...)
{
	char text[MAX_PAYLOAD];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("init: %s\n", text);
	fflush(stdout);
	if (report_fd >= 0)
		send('V', "setup %s", text);
	power_off();
}

void open_report(void)
{
	struct termios mode;

	report_fd = open(REPORT_PORT, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (report_fd < 0)
		give_up("%s: %s", REPORT_PORT, strerror(errno));
	if (tcgetattr(report_fd, &mode))
		give_up("%s: no serial port: %s", REPORT_PORT, strerror(errno));
	cfmakeraw(&mode);
	cfsetspeed(&mode, B115200);
	mode.c_cflag |= CLOCAL;
	if (tcsetattr(report_fd, TCSANOW, &mode))
		give_up("%s: %s", REPORT_PORT, strerror(errno));
}
