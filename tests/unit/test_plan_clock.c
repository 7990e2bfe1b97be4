/* SPDX-License-Identifier: MIT */
/*
 * When the records of a log happened, where its stamps are all of one kind. Each test is a log: what its
 * records say, and when they are said to have happened, in seconds since the first one.
 */
#include "tests/unit/lib_plan_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- in order */

static void a_record_happened_when_it_says_so(void **state)
{
    (void)state;
    say("2017-05-16 00:00:00.000 begin");
    say("2017-05-16 00:00:07.250 more");
    say("2017-05-16 00:00:59.000 more");
    log_end();
    assert_int_equal(told.times_ms[0], 1494892800000);
    assert_int_equal(told.times_ms[1], 1494892807250);
    assert_int_equal(told.times_ms[2], 1494892859000);
    assert_int_equal(lb_plan_clock_timed(&told.clock), 3);
}

static void its_time_is_known_at_once_where_the_log_goes_on(void **state)
{
    (void)state;
    say_period(MIDNIGHT_S, 2);
    assert_int_equal(told.known, 2); /* the second one agrees with the first */
    for (unsigned i = 0; i < 1000; i++) {
        say_local(MIDNIGHT_S + 60 * i);
        assert_int_equal(told.known, told.records);
    }
}

static void slight_disorder_does_not_turn_the_clock_back(void **state)
{
    (void)state;
    say_local(MIDNIGHT_S);
    say_local(MIDNIGHT_S + 10);
    say_local(MIDNIGHT_S + 8);
    say_local(MIDNIGHT_S + 12);
    say_local(MIDNIGHT_S + 11);
    ASSERT_HAPPENED(0, 10, 10, 12, 12);
    assert_int_equal(lb_plan_clock_timed(&told.clock), 5);
}

static void a_record_without_a_stamp_has_the_time_of_the_one_before(void **state)
{
    (void)state;
    say_local(MIDNIGHT_S);
    say_local(MIDNIGHT_S + 10);
    say_nothing();
    say_nothing();
    say_local(MIDNIGHT_S + 12);
    ASSERT_HAPPENED(0, 10, 10, 10, 12);
    assert_int_equal(lb_plan_clock_timed(&told.clock), 3);
}

static void without_any_stamp_records_come_at_the_rate(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3001; i++)
        say_nothing();
    assert_span_s(300);
    assert_int_equal(told.times_ms[0], TODAY_MS);
    assert_int_equal(lb_plan_clock_timed(&told.clock), 0);
}

static void where_stamps_are_all_too_rare_records_come_at_the_rate_too(void **state)
{
    (void)state;
    say_period(MIDNIGHT_S, 2);
    for (unsigned i = 0; i < 1024 + 1000; i++)
        say_nothing();
    assert_span_s(1 + 100);
    say_local(MIDNIGHT_S + HOUR_S);
    say_local(MIDNIGHT_S + HOUR_S + 1);
    assert_span_s(HOUR_S + 1); /* and the next stamp counts from the last one */
}

/* ---- pauses */

static void a_pause_of_any_length_counts(void **state)
{
    static const int64_t pauses_s[] = { 61, HOUR_S, DAY_S, 8 * DAY_S, 400ll * DAY_S, 3650ll * DAY_S };

    for (unsigned i = 0; i < sizeof pauses_s / sizeof pauses_s[0]; i++) {
        log_start(state);
        say_period(MIDNIGHT_S - pauses_s[i], 20);
        say_period(MIDNIGHT_S, 20);
        assert_span_s(pauses_s[i] + 19);
        assert_int_equal(lb_plan_clock_timed(&told.clock), 40);
        assert_int_equal(since_first_ms(20), pauses_s[i] * SECOND_MS); /* the first one behind it, too */
    }
}

static void a_log_of_few_lines_may_be_all_pauses(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++)
        say_local(MIDNIGHT_S + (int64_t)i * DAY_S);
    assert_span_s(49ll * DAY_S);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(since_first_ms(i), (int64_t)i * DAY_S * SECOND_MS);
}

static void two_records_a_day_apart_are_a_day_apart(void **state)
{
    (void)state;
    say_local(MIDNIGHT_S);
    say_local(MIDNIGHT_S + DAY_S);
    ASSERT_HAPPENED(0, DAY_S);
}

static void records_without_a_stamp_behind_a_pause_are_behind_it(void **state)
{
    (void)state;
    say_period(MIDNIGHT_S, 2);
    say_local(MIDNIGHT_S + HOUR_S);
    say_nothing();
    for (unsigned i = 1; i <= 8; i++)
        say_local(MIDNIGHT_S + HOUR_S + i);
    ASSERT_HAPPENED(0, 1, HOUR_S, HOUR_S, HOUR_S + 1, HOUR_S + 2, HOUR_S + 3, HOUR_S + 4, HOUR_S + 5,
                    HOUR_S + 6, HOUR_S + 7, HOUR_S + 8);
}

static void no_more_records_wait_than_there_is_room_for(void **state)
{
    (void)state;
    say_period(MIDNIGHT_S, 2);
    say_local(MIDNIGHT_S + HOUR_S);
    for (unsigned i = 0; i < 500; i++)
        say_nothing();
    say_local(MIDNIGHT_S + HOUR_S + 1);
    assert_span_s(HOUR_S + 1);
}

/* ---- stamps of no time of this log */

static void a_single_wild_stamp_changes_nothing(void **state)
{
    static const int64_t wild_s[] = {
        2147483647 /* 2038 */, 0, 1, 978307200 /* 2001 */, MIDNIGHT_S + 6 * HOUR_S, MIDNIGHT_S - 6 * HOUR_S,
        MIDNIGHT_S + 3 * DAY_S
    };

    for (unsigned i = 0; i < sizeof wild_s / sizeof wild_s[0]; i++) {
        log_start(state);
        say_period(MIDNIGHT_S, 100);
        say_local(wild_s[i]);
        say_period(MIDNIGHT_S + 100, 100);
        assert_span_s(199);
        for (unsigned record = 0; record < 200; record++) {
            int64_t want_ms = (int64_t)record * SECOND_MS;

            assert_int_equal(since_first_ms(record < 100 ? record : record + 1), want_ms);
        }
        assert_int_equal(since_first_ms(100), 99 * SECOND_MS);
    }
}

static void not_where_all_is_pauses_either(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        say_local(MIDNIGHT_S + (int64_t)i * HOUR_S);
        if (i == 15)
            say_local(2147483647);
    }
    assert_span_s(29 * HOUR_S);
}

static void nor_as_the_first_or_the_last(void **state)
{
    (void)state;
    say_local(2147483647);
    say_period(MIDNIGHT_S, 100);
    assert_span_s(99);
    assert_int_equal(told.times_ms[0] / SECOND_MS, MIDNIGHT_S);

    log_start(state);
    say_local(1000000000);
    say_period(MIDNIGHT_S, 100);
    say_local(2147483647);
    assert_span_s(99);
    assert_int_equal(told.times_ms[0] / SECOND_MS, MIDNIGHT_S);
}

static void a_year_that_is_none_of_ours_is_no_time(void **state)
{
    (void)state;
    say_local(MIDNIGHT_S);
    say("9999-11-27 08:00:00 from afar");
    say("1999-01-01 00:00:00 long ago");
    say_local(MIDNIGHT_S + 10);
    ASSERT_HAPPENED(0, 0, 0, 10);
    assert_int_equal(lb_plan_clock_timed(&told.clock), 2);
}

/* ---- the begin */

static void what_comes_before_the_first_stamp_happened_then(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++)
        say_nothing();
    say_period(1494892800, 3);
    assert_span_s(2);
    assert_int_equal(told.times_ms[0], 1494892800000);
    assert_int_equal(told.times_ms[59], 1494892800000);
}

static void a_long_begin_without_a_stamp_comes_at_the_rate_and_time_goes_on_behind_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1001; i++)
        say_nothing();
    say_period(1494892800, 100);
    say_period(1494892800 + HOUR_S, 100);
    assert_span_s(100 + HOUR_S + 99);
}

/* ---- back */

static void an_older_log_behind_counts_as_what_comes_next(void **state)
{
    (void)state;
    say_period(MIDNIGHT_S, 1000);
    say_period(MIDNIGHT_S - DAY_S, 1000);
    say_period(MIDNIGHT_S - 5 * DAY_S, 1000);
    assert_span_s(999 + 999 + 999);
}

static void the_same_day_of_another_machine_counts_again(void **state)
{
    (void)state;
    for (unsigned log = 0; log < 3; log++)
        for (unsigned i = 0; i < 300; i++)
            say_local(MIDNIGHT_S + (int64_t)i * 288);
    assert_span_s(3ll * 299 * 288);
}

static void a_clock_that_is_set_back_a_little_goes_on_by_differences(void **state)
{
    (void)state;
    say_period(MIDNIGHT_S, 1000);
    say_period(MIDNIGHT_S + 1000 - 600, 200);
    assert_span_s(999 + 199);
}

static void when_it_is_set_right_again_the_logs_own_time_counts(void **state)
{
    (void)state;
    say_period(MIDNIGHT_S, 100);
    say_period(MIDNIGHT_S - 40 * 60, 100); /* as a device without a clock starts: with what it wrote down */
    say_period(MIDNIGHT_S + 500, 100);     /* until the network tells it */
    assert_span_s(599);
}

static void an_upload_of_older_records_does_not_lengthen_the_log(void **state)
{
    (void)state;
    say_period(MIDNIGHT_S, 1000);
    say_period(MIDNIGHT_S - 3 * HOUR_S, 50);
    say_period(MIDNIGHT_S + 1000, 1000);
    log_end();
    assert_in_range(since_first_ms(told.records - 1), 1999 * SECOND_MS, 2050 * SECOND_MS);
}

#define LOG(name) cmocka_unit_test_setup(name, log_start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG(a_record_happened_when_it_says_so),
        LOG(its_time_is_known_at_once_where_the_log_goes_on),
        LOG(slight_disorder_does_not_turn_the_clock_back),
        LOG(a_record_without_a_stamp_has_the_time_of_the_one_before),
        LOG(without_any_stamp_records_come_at_the_rate),
        LOG(where_stamps_are_all_too_rare_records_come_at_the_rate_too),
        LOG(a_pause_of_any_length_counts),
        LOG(a_log_of_few_lines_may_be_all_pauses),
        LOG(two_records_a_day_apart_are_a_day_apart),
        LOG(records_without_a_stamp_behind_a_pause_are_behind_it),
        LOG(no_more_records_wait_than_there_is_room_for),
        LOG(a_single_wild_stamp_changes_nothing),
        LOG(not_where_all_is_pauses_either),
        LOG(nor_as_the_first_or_the_last),
        LOG(a_year_that_is_none_of_ours_is_no_time),
        LOG(what_comes_before_the_first_stamp_happened_then),
        LOG(a_long_begin_without_a_stamp_comes_at_the_rate_and_time_goes_on_behind_it),
        LOG(an_older_log_behind_counts_as_what_comes_next),
        LOG(the_same_day_of_another_machine_counts_again),
        LOG(a_clock_that_is_set_back_a_little_goes_on_by_differences),
        LOG(when_it_is_set_right_again_the_logs_own_time_counts),
        LOG(an_upload_of_older_records_does_not_lengthen_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
