/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_QUOTA_H
#define LB_COMMON_QUOTA_H

#include <stdint.h>

/*
 * Quotas: so many bytes in a day or a month of the calendar, by UTC, which no
 * summer time moves.
 */
enum lb_quota_window { LB_QUOTA_DAY = 0, LB_QUOTA_MONTH, LB_QUOTA_WINDOWS };

struct lb_quota {
    uint64_t bytes; /* LB_OFF: no limit */
    enum lb_quota_window window;
};

/* One window of the calendar. */
struct lb_quota_span {
    uint64_t id; /* 20261127 or 202611: grows with time, never 0 */
    uint64_t begin_ms, end_ms;
};

/*
 * The window that a time lies in.
 *   wall_ms   since 1970; beyond the year 9999: as its end
 *   returns   begin_ms <= wall_ms < end_ms
 *   calls     any thread; a pure function
 */
struct lb_quota_span lb_quota_span_of(enum lb_quota_window window, uint64_t wall_ms);

/*
 * "day" or "month".
 *   returns   a static string
 *   calls     any thread
 */
const char *lb_quota_window_name(enum lb_quota_window window);

#endif
