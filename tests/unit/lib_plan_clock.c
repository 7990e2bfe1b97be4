/* SPDX-License-Identifier: MIT */
/* A log for a plan's clock. In: what its records say. Out: when each is said to have happened. */
#include "tests/unit/lib_plan_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct clocked_log told;

int log_start(void **state)
{
    (void)state;
    lb_plan_clock_begin(&told.clock, TODAY_MS, GAP_MS);
    told.records = told.known = 0;
    return 0;
}

static void take_known(void)
{
    uint64_t ms;

    while (lb_plan_clock_take(&told.clock, &ms)) {
        assert_true(told.known < told.records);
        if (told.known > 0)
            assert_true(ms >= told.times_ms[told.known - 1]);
        told.times_ms[told.known++] = ms;
    }
}

static void add(struct lb_line_time said)
{
    assert_true(told.records < LOG_RECORDS);
    told.records++;
    lb_plan_clock_add(&told.clock, said);
    take_known();
    assert_true(told.records - told.known < LB_PLAN_CLOCK_WAITS);
}

void say(const char *line)
{
    add(lb_line_time_of(line, strlen(line)));
}

void say_local(int64_t seconds)
{
    add((struct lb_line_time) { LB_LINE_TIME_LOCAL, (uint64_t)(seconds * SECOND_MS) });
}

void say_zoned(int64_t seconds)
{
    add((struct lb_line_time) { LB_LINE_TIME_ZONED, (uint64_t)(seconds * SECOND_MS) });
}

void say_nothing(void)
{
    add((struct lb_line_time) { LB_LINE_TIME_NONE, 0 });
}

void say_period(int64_t from_s, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        say_local(from_s + i);
}

void log_end(void)
{
    lb_plan_clock_decide(&told.clock);
    take_known();
    assert_int_equal(told.known, told.records);
}

int64_t since_first_ms(unsigned record)
{
    return (int64_t)(told.times_ms[record] - told.times_ms[0]);
}

void assert_span_s(int64_t seconds)
{
    log_end();
    if (since_first_ms(told.records - 1) != seconds * SECOND_MS)
        fail_msg("%lld ms, not %lld s", (long long)since_first_ms(told.records - 1), (long long)seconds);
}

void assert_happened(const int64_t *seconds, unsigned count)
{
    log_end();
    assert_int_equal(told.records, count);
    for (unsigned i = 0; i < count; i++)
        if (since_first_ms(i) != seconds[i] * SECOND_MS)
            fail_msg("record %u: after %lld ms, not %lld s", i, (long long)since_first_ms(i),
                     (long long)seconds[i]);
}
