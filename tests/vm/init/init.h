/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef INIT_H
#define INIT_H

#include <stddef.h>

#define MAX_PAYLOAD 1000

/* report.c */
extern int heartbeat_ms;

void open_report(void);
void send_frame(char type, const char *data, size_t size);
__attribute__((format(printf, 2, 3))) void send(char type, const char *format, ...);
void heartbeat(void); /* if it is time for one */
long uptime_ms(void);
int write_all(int fd, const char *data, size_t size); /* 0 or -errno */
_Noreturn void power_off(void);
/* The machine cannot run anything: says so on whatever works. */
__attribute__((format(printf, 1, 2))) _Noreturn void give_up(const char *format, ...);

/* saved.c */
void wait_for_scenario(void);

#endif
