/* SPDX-License-Identifier: MIT */
/* Windows of the calendar. In: a time. Out: the day or the month around it, by UTC. */
#include "common/quota.h"

#include <stdbool.h>

#define MS_PER_DAY 86400000ull
#define LATEST_MS  253402300799999ull /* the end of 9999 */
#define EPOCH_YEAR 1970
#define LEAP_DAYS  477 /* before EPOCH_YEAR, from the year 1 on */

/* By hand, as a time_t may have 32 bits (ARMv7): in days from the epoch, by the Gregorian calendar. */
static uint64_t new_year(uint64_t year)
{
    uint64_t before = year - 1;

    return 365 * (year - EPOCH_YEAR) + before / 4 - before / 100 + before / 400 - LEAP_DAYS;
}

/* Months count from 0. */
static uint64_t first_of(uint64_t year, unsigned month)
{
    static const uint16_t start[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
    bool is_leap = new_year(year + 1) - new_year(year) > 365;

    return new_year(year) + start[month] + (is_leap && month > 1);
}

struct lb_quota_span lb_quota_span_of(enum lb_quota_window window, uint64_t wall_ms)
{
    uint64_t day = (wall_ms < LATEST_MS ? wall_ms : LATEST_MS) / MS_PER_DAY, year = EPOCH_YEAR + day / 366;
    unsigned month = 0;
    struct lb_quota_span span;

    while (new_year(year + 1) <= day)
        year++;
    while (first_of(year, month + 1) <= day)
        month++;
    span.id = year * 100 + month + 1;
    if (window == LB_QUOTA_DAY) {
        span.id = span.id * 100 + day - first_of(year, month) + 1;
        span.begin_ms = day * MS_PER_DAY;
        span.end_ms = span.begin_ms + MS_PER_DAY;
        return span;
    }
    span.begin_ms = first_of(year, month) * MS_PER_DAY;
    span.end_ms = first_of(year, month + 1) * MS_PER_DAY;
    return span;
}

const char *lb_quota_window_name(enum lb_quota_window window)
{
    return window == LB_QUOTA_MONTH ? "month" : "day";
}
