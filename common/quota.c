/* SPDX-License-Identifier: MIT */
/* Windows of the calendar. In: a time. Out: the day or the month around it, by UTC. */
#include "common/quota.h"

#include <time.h>

#define MS_PER_DAY    86400000ull
#define LATEST_MS     253402300799999ull /* the end of 9999 */
#define FIRST_YEAR_TM 1900

static uint64_t ms_of(struct tm *date)
{
    return (uint64_t)timegm(date) * 1000;
}

struct lb_quota_span lb_quota_span_of(enum lb_quota_window window, uint64_t wall_ms)
{
    uint64_t at_ms = wall_ms < LATEST_MS ? wall_ms : LATEST_MS;
    time_t seconds = (time_t)(at_ms / 1000);
    struct lb_quota_span span;
    struct tm date, next;

    gmtime_r(&seconds, &date);
    span.id = (uint64_t)(date.tm_year + FIRST_YEAR_TM) * 100 + (uint64_t)date.tm_mon + 1;
    if (window == LB_QUOTA_DAY) {
        span.id = span.id * 100 + (uint64_t)date.tm_mday;
        span.begin_ms = at_ms / MS_PER_DAY * MS_PER_DAY;
        span.end_ms = span.begin_ms + MS_PER_DAY;
        return span;
    }
    date = (struct tm) { .tm_year = date.tm_year, .tm_mon = date.tm_mon, .tm_mday = 1 };
    next = date;
    next.tm_mon++; /* timegm() makes a January of a 13th month */
    span.begin_ms = ms_of(&date);
    span.end_ms = ms_of(&next);
    return span;
}

const char *lb_quota_window_name(enum lb_quota_window window)
{
    return window == LB_QUOTA_MONTH ? "month" : "day";
}
