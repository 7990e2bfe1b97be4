/* SPDX-License-Identifier: MIT */
/*
 * What gives way when something runs short.
 *
 * The story: a data plan is spent faster than its month goes by, a queue fills, memory is short; what is
 * worth least gives way first, step by step, and comes back the other way.
 */
#include "agent/shape/squeeze.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/level.h"
#include "common/quota.h"
#include "common/units.h"

#define LIMIT 1000000u

static unsigned step_at(double spent, double at, unsigned before)
{
    struct lb_budget budget = { .limit = LIMIT, .spent = (uint64_t)(spent * LIMIT), .from = 0, .at = at };

    return lb_squeeze_quota_step(&budget, before);
}

static void who_is_behind_the_time_has_no_step(void **state)
{
    (void)state;
    assert_int_equal(step_at(0, 0, 0), 0);
    assert_int_equal(step_at(0.45, 0.5, 0), 0);
    assert_int_equal(step_at(0.90, 0.99, 0), 0);
}

static void the_further_ahead_the_higher_the_step(void **state)
{
    unsigned before = 0;

    (void)state;
    for (double spent = 0; spent < 0.45; spent += 0.001) {
        unsigned step = step_at(spent, 0.1, before);

        assert_true(step >= before);
        before = step;
    }
    assert_int_equal(before, LB_QUOTA_STEP_CRASHES);
}

static void a_step_is_left_lower_than_it_was_reached(void **state)
{
    (void)state;
    assert_int_equal(step_at(0.009, 0, 0), 0);
    assert_int_equal(step_at(0.011, 0, 0), 1);
    assert_int_equal(step_at(0.009, 0, 1), 1);
    assert_int_equal(step_at(0.004, 0, 1), 0);
    assert_int_equal(step_at(0.21, 0, 0), LB_QUOTA_STEP_SCARCE);
    assert_int_equal(step_at(0.195, 0, LB_QUOTA_STEP_SCARCE), LB_QUOTA_STEP_SCARCE);
    assert_int_equal(step_at(0.189, 0, LB_QUOTA_STEP_SCARCE), LB_QUOTA_STEP_ERRORS);
}

static void near_all_of_it_only_what_is_worth_most_passes(void **state)
{
    (void)state;
    assert_int_equal(step_at(0.985, 1, 0), LB_QUOTA_STEP_ERRORS);
    assert_int_equal(step_at(0.992, 1, 0), LB_QUOTA_STEP_SCARCE);
    assert_int_equal(step_at(0.997, 1, 0), LB_QUOTA_STEP_NOTHING);
    assert_int_equal(step_at(1.5, 1, 0), LB_QUOTA_STEP_NOTHING);
}

/* After a start of the machine nobody knows what was spent before: it is held to be what the pace gives. */
static void who_begins_late_has_the_rest_of_the_time_to_spend(void **state)
{
    struct lb_budget budget = { .limit = LIMIT, .spent = 1000, .from = 0.9, .at = 0.9 };

    (void)state;
    assert_int_equal(lb_squeeze_quota_step(&budget, 0), 1); /* 1 % of a tenth */
    budget.at = 0.95;
    assert_int_equal(lb_squeeze_quota_step(&budget, 1), 0);
    budget.spent = LIMIT / 10;
    assert_int_equal(lb_squeeze_quota_step(&budget, 0), LB_QUOTA_STEP_CRASHES);
}

static void the_queue_has_three_steps_with_ten_points_between_up_and_down(void **state)
{
    (void)state;
    assert_int_equal(lb_squeeze_fill_step(0.69, 0), 0);
    assert_int_equal(lb_squeeze_fill_step(0.70, 0), 1);
    assert_int_equal(lb_squeeze_fill_step(0.85, 1), 2);
    assert_int_equal(lb_squeeze_fill_step(0.95, 2), 3);
    assert_int_equal(lb_squeeze_fill_step(0.86, 3), 3);
    assert_int_equal(lb_squeeze_fill_step(0.84, 3), 2);
    assert_int_equal(lb_squeeze_fill_step(0.61, 2), 1);
    assert_int_equal(lb_squeeze_fill_step(0.59, 1), 0);
}

static void memory_has_the_same_steps(void **state)
{
    (void)state;
    assert_int_equal(lb_squeeze_memory_step(9.9, 0), 0);
    assert_int_equal(lb_squeeze_memory_step(10, 0), 1);
    assert_int_equal(lb_squeeze_memory_step(60, 0), 3);
    assert_int_equal(lb_squeeze_memory_step(31, 3), 3);
    assert_int_equal(lb_squeeze_memory_step(29, 3), 2);
    assert_int_equal(lb_squeeze_memory_step(5, 1), 0);
}

static struct lb_squeeze_answer ask(unsigned quota, unsigned pressure, int severity)
{
    struct lb_squeeze squeeze = { (uint8_t)quota, (uint8_t)pressure };

    return lb_squeeze_ask(&squeeze, severity, LB_LEVEL_WARNING, false, false);
}

static void pressure_takes_debug_then_repeats_of_info_then_info(void **state)
{
    (void)state;
    assert_int_equal(ask(0, 1, LB_LEVEL_DEBUG).verdict, LB_SQUEEZE_HOLD);
    assert_int_equal(ask(0, 1, LB_LEVEL_DEBUG).drop, LB_DROP_PRESSURE);
    assert_int_equal(ask(0, 1, LB_LEVEL_INFO).verdict, LB_SQUEEZE_PASS);
    assert_int_equal(ask(0, 2, LB_LEVEL_INFO).verdict, LB_SQUEEZE_SHARE);
    assert_true(ask(0, 2, LB_LEVEL_INFO).share == LB_SQUEEZE_NEW_ONLY);
    assert_int_equal(ask(0, 3, LB_LEVEL_INFO).verdict, LB_SQUEEZE_HOLD);
    assert_int_equal(ask(0, 3, LB_LEVEL_NOTICE).verdict, LB_SQUEEZE_PASS);
    assert_int_equal(ask(0, 3, LB_LEVEL_ERROR).verdict, LB_SQUEEZE_PASS);
}

static void a_quota_takes_known_patterns_then_new_ones_then_warnings_then_errors(void **state)
{
    (void)state;
    assert_int_equal(ask(1, 0, LB_LEVEL_INFO).share, 4);
    assert_int_equal(ask(2, 0, LB_LEVEL_INFO).share, 16);
    assert_true(ask(3, 0, LB_LEVEL_INFO).share == LB_SQUEEZE_NEW_ONLY);
    assert_int_equal(ask(3, 0, LB_LEVEL_WARNING).verdict, LB_SQUEEZE_PASS);
    assert_int_equal(ask(4, 0, LB_LEVEL_WARNING).verdict, LB_SQUEEZE_HOLD);
    assert_int_equal(ask(4, 0, LB_LEVEL_ERROR).verdict, LB_SQUEEZE_PASS);
    assert_int_equal(ask(5, 0, LB_LEVEL_ERROR).share, 16);
    assert_true(ask(5, 0, LB_LEVEL_ERROR).quiet_ns > 0);
    assert_true(ask(6, 0, LB_LEVEL_ERROR).share == LB_SQUEEZE_NEW_ONLY);
    assert_true(ask(6, 0, LB_LEVEL_ERROR).quiet_ns > ask(5, 0, LB_LEVEL_ERROR).quiet_ns);
    assert_int_equal(ask(7, 0, LB_LEVEL_ERROR).verdict, LB_SQUEEZE_HOLD);
    assert_int_equal(ask(7, 0, LB_LEVEL_ERROR).drop, LB_DROP_QUOTA);
}

static void a_crash_passes_as_long_as_anything_does(void **state)
{
    struct lb_squeeze squeeze = { LB_QUOTA_STEP_CRASHES, 3 };

    (void)state;
    assert_int_equal(lb_squeeze_ask(&squeeze, LB_LEVEL_ERROR, -1, false, true).verdict, LB_SQUEEZE_PASS);
    squeeze.quota = LB_QUOTA_STEP_NOTHING;
    assert_int_equal(lb_squeeze_ask(&squeeze, LB_LEVEL_EMERGENCY, -1, true, true).verdict, LB_SQUEEZE_HOLD);
}

static void what_a_rule_keeps_is_as_an_error(void **state)
{
    struct lb_squeeze squeeze = { 4, 3 };

    (void)state;
    assert_int_equal(lb_squeeze_ask(&squeeze, LB_LEVEL_DEBUG, LB_LEVEL_WARNING, true, false).verdict,
                     LB_SQUEEZE_PASS);
}

/* Whatever the steps, a record that is worth more is never worse off. */
static void worth_is_respected_on_every_step(void **state)
{
    (void)state;
    for (unsigned quota = 0; quota < LB_QUOTA_STEPS; quota++)
        for (unsigned pressure = 0; pressure < LB_PRESSURE_STEPS; pressure++)
            for (int severity = 1; severity < LB_LEVEL_COUNT; severity++) {
                struct lb_squeeze_answer worse = ask(quota, pressure, severity - 1),
                                         better = ask(quota, pressure, severity);

                assert_true(worse.verdict < better.verdict ||
                            (worse.verdict == better.verdict && worse.share <= better.share));
            }
}

static void each_step_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 1; i < LB_QUOTA_STEPS; i++)
        assert_string_not_equal(lb_squeeze_quota_text(i), lb_squeeze_quota_text(i - 1));
    assert_string_equal(lb_squeeze_quota_text(LB_QUOTA_STEPS), "");
    for (unsigned i = 1; i < LB_PRESSURE_STEPS; i++)
        assert_string_not_equal(lb_squeeze_pressure_text(i), lb_squeeze_pressure_text(i - 1));
}

/* ---- the calendar ---- */

static void days_and_months_are_those_of_utc(void **state)
{
    struct lb_quota_span day = lb_quota_span_of(LB_QUOTA_DAY, 1709251199999), /* 2024-02-29 23:59:59.999 */
        month = lb_quota_span_of(LB_QUOTA_MONTH, 1709251199999);

    (void)state;
    assert_int_equal(day.id, 20240229);
    assert_int_equal(day.begin_ms, 1709164800000);
    assert_int_equal(day.end_ms, 1709251200000);
    assert_int_equal(month.id, 202402);
    assert_int_equal(month.begin_ms, 1706745600000);
    assert_int_equal(month.end_ms, 1709251200000);
    assert_int_equal(lb_quota_span_of(LB_QUOTA_MONTH, 1735689599999).end_ms, 1735689600000); /* a December */
    assert_int_equal(lb_quota_span_of(LB_QUOTA_DAY, 0).id, 19700101);
    assert_true(lb_quota_span_of(LB_QUOTA_MONTH, UINT64_MAX).id == 999912);
}

static void a_quota_is_a_size_in_a_day_or_a_month(void **state)
{
    struct lb_quota quota;

    (void)state;
    assert_int_equal(lb_units_quota("50M/day", &quota), 0);
    assert_int_equal(quota.bytes, 50u << 20);
    assert_int_equal(quota.window, LB_QUOTA_DAY);
    assert_int_equal(lb_units_quota("1G/month", &quota), 0);
    assert_int_equal(quota.window, LB_QUOTA_MONTH);
    assert_true(lb_units_quota("50M", &quota) < 0);
    assert_true(lb_units_quota("50M/s", &quota) < 0);
    assert_true(lb_units_quota("/day", &quota) < 0);
    assert_true(lb_units_quota("x/day", &quota) < 0);
    assert_true(lb_units_quota("50M/days", &quota) < 0);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_is_behind_the_time_has_no_step),
        TEST(the_further_ahead_the_higher_the_step),
        TEST(a_step_is_left_lower_than_it_was_reached),
        TEST(near_all_of_it_only_what_is_worth_most_passes),
        TEST(who_begins_late_has_the_rest_of_the_time_to_spend),
        TEST(the_queue_has_three_steps_with_ten_points_between_up_and_down),
        TEST(memory_has_the_same_steps),
        TEST(pressure_takes_debug_then_repeats_of_info_then_info),
        TEST(a_quota_takes_known_patterns_then_new_ones_then_warnings_then_errors),
        TEST(a_crash_passes_as_long_as_anything_does),
        TEST(what_a_rule_keeps_is_as_an_error),
        TEST(worth_is_respected_on_every_step),
        TEST(each_step_has_a_text_of_its_own),
        TEST(days_and_months_are_those_of_utc),
        TEST(a_quota_is_a_size_in_a_day_or_a_month),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
