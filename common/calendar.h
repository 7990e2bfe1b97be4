/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_CALENDAR_H
#define LB_COMMON_CALENDAR_H

#include <stdint.h>

/*
 * The calendar, by UTC, without time_t: that may have 32 bits (ARMv7), and
 * ends in 2038 then. All are pure functions, for any thread.
 */
struct lb_calendar_date {
    unsigned year, month, day; /* months and days count from 1 */
};

/*
 * Days from 1970-01-01 to a date of the Gregorian calendar, which is taken to
 * have been there always. A day beyond its month's end is of the next month.
 *   year     from 0
 *   returns  below 0 before 1970
 */
int64_t lb_calendar_days(int64_t year, int64_t month, int64_t day);

/*
 * The date so many days after 1970-01-01.
 */
struct lb_calendar_date lb_calendar_date(uint64_t days);

#define LB_CALENDAR_STAMP 40

/*
 * A time as RFC 3339 has it: 2023-11-14T22:13:20.005Z.
 *   wall_ns   since 1970
 *   digits    of the second's fraction, 3 or 6; what is finer is cut
 *   to        room for LB_CALENDAR_STAMP bytes; a NUL is put behind it
 *   returns   one past the last byte, where the NUL is
 */
char *lb_calendar_stamp(char *to, uint64_t wall_ns, unsigned digits);

#endif
