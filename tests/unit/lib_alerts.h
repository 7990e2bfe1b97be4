/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_ALERTS_H
#define TESTS_LIB_ALERTS_H

#include <stdint.h>

#include "agent/wear/alerts.h"
#include "tests/unit/lib_wear.h"

/*
 * Alerts after looks of lib_wear: a card "mmcblk0", and "python3" of
 * telemetry.service, which has written nothing; alert_limits that are all off.
 */
enum { SD = 0, WEB = 0 };
#define CARD    (&wear.view.disk[SD])
#define OFF     LB_WEAR_UNKNOWN
#define DAY_S   86400ull
#define FOREVER (~0ull >> 12) /* as a life_warn that all disks are below */

extern struct lb_alerts alerts;
extern struct lb_wear_limit_settings alert_limits;
extern struct lb_wear_event events[LB_ALERTS_AT_ONCE]; /* of the last look */
extern unsigned event_count;

/* Set-up of a test: one look was taken. */
int alerts_begin(void **state);

/* Look, so many seconds after the last look; each event is checked: its text does not fill its room, and what
 * is over is not grave. Returns how many there are. */
unsigned watch(uint64_t seconds);

/* Look each minute, so many times; returns how many events there were in all. */
unsigned watch_for(unsigned minutes);

/* Look as for the first time: what is there now was there from the beginning. */
void watch_anew(void);

/* The last look told this, and nothing else. */
void is_told(enum lb_wear_what what, const char *text);
void is_told_to_be_over(enum lb_wear_what what, const char *text);

#endif
