/* SPDX-License-Identifier: MIT */
/*
 * When the records of a log happened, where stamps leave out the year, the date or the zone, or are of
 * several kinds. Each test is a log: what its records say, and how long it took.
 */
#include "tests/unit/lib_plan_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void a_year_that_is_not_said_rolls_on(void **state)
{
    (void)state;
    say("Dec 31 23:59:50 pi app: a");
    say("Dec 31 23:59:59 pi app: b");
    say("Jan  1 00:00:01 pi app: c");
    say("Dec 31 23:59:58 pi app: late");
    say("Jan  1 00:00:02 pi app: d");
    ASSERT_HAPPENED(0, 9, 11, 11, 12);
    assert_int_equal(told.times_ms[0], (MIDNIGHT_S - 331ll * DAY_S) * SECOND_MS + 1000ll * (DAY_S - 10) + 0);
}

static void a_log_without_years_that_is_older_than_its_begin_is_of_the_past(void **state)
{
    (void)state;
    say("Dec 24 12:00:00 pi app: a");
    say("Dec 24 12:00:01 pi app: b");
    log_end();
    assert_int_equal(told.times_ms[0], (TODAY_MS / SECOND_MS - 338ll * DAY_S) * SECOND_MS); /* of 2025 */
}

static void a_newer_log_without_years_in_front_of_an_older_one(void **state)
{
    char line[64];

    (void)state;
    for (int day = 20; day >= 6; day -= 7)
        for (unsigned i = 0; i < 600; i++) {
            snprintf(line, sizeof line, "Oct %2d %02u:%02u:00 pi app: up", day, i / 60, i % 60);
            say(line);
        }
    assert_span_s(3ll * 599 * 60);
}

static void a_time_of_day_alone_rolls_on_over_midnight(void **state)
{
    (void)state;
    say("23:59:58,100 INFO a");
    say("23:59:59,100 INFO b");
    say("00:00:01,100 INFO c");
    say("23:59:59,900 INFO late");
    say("00:00:02,100 INFO d");
    ASSERT_HAPPENED(0, 1, 3, 3, 4);
}

static void days_of_times_alone_are_days(void **state)
{
    char line[32];

    (void)state;
    for (unsigned minute = 0; minute < 3 * 24 * 60; minute++) {
        snprintf(line, sizeof line, "%02u:%02u:00 INFO up", minute / 60 % 24, minute % 60);
        say(line);
        if (told.records == LOG_RECORDS)
            break;
    }
    assert_span_s((int64_t)(told.records - 1) * 60);
}

static void seconds_since_the_start_of_the_machine_start_again(void **state)
{
    (void)state;
    say("[    0.000000] Linux version 6.1");
    say("[    2.000000] usb");
    say("[   50.000000] eth0");
    say("[    0.000000] Linux version 6.1");
    say("[    3.000000] usb");
    ASSERT_HAPPENED(0, 2, 50, 50, 53);
}

static void a_clock_that_was_never_set_tells_what_passed(void **state)
{
    (void)state;
    say_period(MIDNIGHT_S, 100);
    say_period(12, 100); /* 1970: it starts again, */
    say_period(MIDNIGHT_S + 300, 100);
    say_period(946684812, 100); /* and again, and says 2000 */
    assert_span_s(399 + 99);
}

static void stamps_with_and_without_a_zone_are_brought_together(void **state)
{
    static const int64_t zones_s[] = {
        2 * HOUR_S, -8 * HOUR_S, 5 * HOUR_S + 1800, 5 * HOUR_S + 2700, 14 * HOUR_S, -12 * HOUR_S, 0
    };

    for (unsigned zone = 0; zone < sizeof zones_s / sizeof zones_s[0]; zone++) {
        log_start(state);
        for (unsigned i = 0; i < 600; i++) {
            if (i % 3 == 0)
                say_local(MIDNIGHT_S + i + zones_s[zone]);
            else
                say_zoned(MIDNIGHT_S + i);
        }
        assert_span_s(599);
        assert_int_equal(lb_plan_clock_timed(&told.clock), 600);
    }
}

static void kernel_lines_among_those_with_a_date_move_with_them(void **state)
{
    char line[64];

    (void)state;
    for (unsigned i = 0; i < 301; i++) {
        snprintf(line, sizeof line, "[%5u.000000] usb", 1000 + i);
        if (i % 2)
            say(line);
        else
            say_zoned(MIDNIGHT_S + i);
    }
    assert_span_s(300);
    assert_int_equal(lb_plan_clock_timed(&told.clock), 301);
}

static void summer_time_that_ends_or_begins_is_no_trouble(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1200; i++)
        say_zoned(MIDNIGHT_S + 3ll * i);
    for (unsigned i = 1200; i < 2400; i++)
        say_local(MIDNIGHT_S + 3ll * i + (i < 1800 ? 2 * HOUR_S : HOUR_S)); /* an hour is said twice */
    assert_span_s(3ll * 2398);                                              /* but for the step itself */
}

#define LOG(name) cmocka_unit_test_setup(name, log_start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG(a_year_that_is_not_said_rolls_on),
        LOG(a_log_without_years_that_is_older_than_its_begin_is_of_the_past),
        LOG(a_newer_log_without_years_in_front_of_an_older_one),
        LOG(a_time_of_day_alone_rolls_on_over_midnight),
        LOG(days_of_times_alone_are_days),
        LOG(seconds_since_the_start_of_the_machine_start_again),
        LOG(a_clock_that_was_never_set_tells_what_passed),
        LOG(stamps_with_and_without_a_zone_are_brought_together),
        LOG(kernel_lines_among_those_with_a_date_move_with_them),
        LOG(summer_time_that_ends_or_begins_is_no_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
