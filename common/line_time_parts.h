/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LINE_TIME_PARTS_H
#define LB_COMMON_LINE_TIME_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/line_time.h"

/*
 * What time stamps are made of. A scan is what is still to be read of a line;
 * the functions below move it behind what they read, never behind its end, and
 * leave it where they found nothing, unless they say so.
 */
struct lb_time_scan {
    const char *at, *end;
};

struct lb_time_date {
    int year, month, day; /* 1970 to 9999, 0: none is said; the others as they are written, however wrong */
    int zone_s;           /* that its clock is ahead of UTC */
    bool is_zoned;
    uint64_t ms; /* since midnight */
};

static const struct lb_line_time lb_time_none = { LB_LINE_TIME_NONE, 0 };

static inline bool lb_time_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool lb_time_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool lb_time_is_word(char c)
{
    return lb_time_is_digit(c) || lb_time_is_letter(c) || c == '_';
}

static inline size_t lb_time_left(const struct lb_time_scan *scan)
{
    return (size_t)(scan->end - scan->at);
}

/* No word goes on here. */
static inline bool lb_time_is_end(const struct lb_time_scan *scan)
{
    return scan->at >= scan->end || !lb_time_is_word(*scan->at);
}

static inline bool lb_time_skip(struct lb_time_scan *scan, char c)
{
    if (scan->at >= scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

/* The number that two digits are; -1: they are none. */
static inline int lb_time_two(const char *at)
{
    return lb_time_is_digit(at[0]) && lb_time_is_digit(at[1]) ? (at[0] - '0') * 10 + (at[1] - '0') : -1;
}

static inline int lb_time_four(const char *at)
{
    int high = lb_time_two(at), low = lb_time_two(at + 2);

    return high < 0 || low < 0 ? -1 : high * 100 + low;
}

/*
 * How many digits come next; `most` are looked at.
 *   calls     any thread, as all of this; pure functions
 */
unsigned lb_time_digits(const struct lb_time_scan *scan, unsigned most);

/*
 * A number of one digit or two, with something behind it.
 *   returns   false: there is none
 */
bool lb_time_short_number(struct lb_time_scan *scan, int *ret_number);

/*
 * ".123456" or ",123"; ":123" too, where nothing else can be meant.
 *   returns   milliseconds, 0 where there is none
 */
unsigned lb_time_fraction(struct lb_time_scan *scan);

/*
 * "12:00:00", with a fraction or not, or "2:03:04 PM".
 *   returns   false: it is none, and the scan is anywhere
 */
bool lb_time_of_day(struct lb_time_scan *scan, struct lb_time_date *date);

/*
 * "Z", " UTC", "+02", "+0200", " +02:00". Not " -12", a number that comes next.
 */
void lb_time_zone(struct lb_time_scan *scan, struct lb_time_date *date);

/*
 * Does a name go on behind what looked like a stamp, as in 2026-11-27_12:00:00.log?
 */
bool lb_time_is_name(const struct lb_time_scan *scan);

/*
 * The stamp that a date is.
 *   returns   LB_LINE_TIME_NONE: there is no such date
 */
struct lb_line_time lb_time_stamp(const struct lb_time_date *date);

/*
 * The same with the time, and the zone, that come next.
 */
struct lb_line_time lb_time_stamp_of_day(struct lb_time_scan *scan, struct lb_time_date *date);

#endif
