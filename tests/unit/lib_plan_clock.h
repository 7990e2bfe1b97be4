/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_PLAN_CLOCK_H
#define TESTS_LIB_PLAN_CLOCK_H

#include <stdint.h>

#include "agent/offline/plan_clock.h"

#define TODAY_MS    1795780800000ull /* 2026-11-27 12:00:00 UTC: when the plan runs */
#define MIDNIGHT_S  1795737600ll     /* of that day */
#define GAP_MS      100.0            /* --rate */
#define SECOND_MS   1000ll
#define HOUR_S      3600ll
#define DAY_S       86400ll
#define LOG_RECORDS 4096

/*
 * A log that a plan's clock reads, record by record. Each function fails the
 * test when the clock goes back, or lets more records wait than there is room for.
 */
struct clocked_log {
    struct lb_plan_clock clock;
    uint64_t times_ms[LOG_RECORDS]; /* of those whose time is known */
    unsigned records, known;
};
extern struct clocked_log told;

/*
 * Begin a new log; a setup of cmocka's.
 */
int log_start(void **state);

/*
 * The next record: a line, or nothing but its stamp, in seconds since 1970.
 */
void say(const char *line);
void say_local(int64_t seconds);
void say_zoned(int64_t seconds);
void say_nothing(void);

/*
 * The next `count` of them, a second apart.
 */
void say_period(int64_t from_s, unsigned count);

/*
 * The log ends: the time of each record is known.
 */
void log_end(void);

/*
 * When a record happened, since the first one.
 */
int64_t since_first_ms(unsigned record);

/*
 * The log ends, and takes so long in all; or its records happened then.
 */
void assert_span_s(int64_t seconds);
void assert_happened(const int64_t *seconds, unsigned count);

#define ASSERT_HAPPENED(...)                                                      \
    do {                                                                          \
        const int64_t seconds[] = { __VA_ARGS__ };                                \
        assert_happened(seconds, (unsigned)(sizeof seconds / sizeof seconds[0])); \
    } while (0)

#endif
