/* SPDX-License-Identifier: MIT */
/* Windows of the calendar. In: a time. Out: the day or the month around it, by UTC. */
#include "common/quota.h"

#include <stdbool.h>

#include "common/calendar.h"

#define MS_PER_DAY 86400000ull
#define LATEST_MS  253402300799999ull /* the end of 9999 */

struct lb_quota_span lb_quota_span_of(enum lb_quota_window window, uint64_t wall_ms)
{
    uint64_t day = (wall_ms < LATEST_MS ? wall_ms : LATEST_MS) / MS_PER_DAY;
    struct lb_calendar_date date = lb_calendar_date(day);
    bool is_december = date.month == 12;
    struct lb_quota_span span = { .id = date.year * 100 + date.month };

    if (window == LB_QUOTA_DAY) {
        span.id = span.id * 100 + date.day;
        span.begin_ms = day * MS_PER_DAY;
        span.end_ms = span.begin_ms + MS_PER_DAY;
        return span;
    }
    span.begin_ms = (uint64_t)lb_calendar_days(date.year, date.month, 1) * MS_PER_DAY;
    span.end_ms =
        (uint64_t)lb_calendar_days(date.year + is_december, is_december ? 1 : date.month + 1, 1) * MS_PER_DAY;
    return span;
}

const char *lb_quota_window_name(enum lb_quota_window window)
{
    return window == LB_QUOTA_MONTH ? "month" : "day";
}
