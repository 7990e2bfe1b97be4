/* SPDX-License-Identifier: MIT */
/*
 * The calendar.
 *
 * The story: every day of eleven centuries, which libc knows as well; and times as they are written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "common/calendar.h"

static void each_day_has_its_date_and_each_date_its_day(void **state)
{
    (void)state;
    for (uint64_t day = 0; day < 400000; day++) {
        struct lb_calendar_date date = lb_calendar_date(day);

        if (day < 24855) { /* as far as libc goes where its time has 32 bits */
            time_t seconds = (time_t)(day * 86400);
            struct tm tm;

            gmtime_r(&seconds, &tm);
            assert_int_equal(date.year, tm.tm_year + 1900);
            assert_int_equal(date.month, tm.tm_mon + 1);
            assert_int_equal(date.day, tm.tm_mday);
        }
        assert_int_equal(lb_calendar_days(date.year, date.month, date.day), day);
    }
}

static void a_year_that_is_divided_by_100_has_a_leap_day_only_where_400_divides_it(void **state)
{
    (void)state;
    assert_int_equal(lb_calendar_days(2000, 3, 1) - lb_calendar_days(2000, 2, 28), 2);
    assert_int_equal(lb_calendar_days(2100, 3, 1) - lb_calendar_days(2100, 2, 28), 1);
    assert_int_equal(lb_calendar_days(2024, 3, 1) - lb_calendar_days(2024, 2, 28), 2);
    assert_int_equal(lb_calendar_date(47540).day, 28); /* 2100-02-28 */
    assert_int_equal(lb_calendar_date(47541).month, 3);
}

static void dates_before_1970_are_below_0(void **state)
{
    (void)state;
    assert_int_equal(lb_calendar_days(1970, 1, 1), 0);
    assert_int_equal(lb_calendar_days(1969, 12, 31), -1);
    assert_int_equal(lb_calendar_days(1900, 1, 1), -25567);
}

static void a_time_is_written_as_rfc_3339_has_it(void **state)
{
    char text[LB_CALENDAR_STAMP];

    (void)state;
    assert_ptr_equal(lb_calendar_stamp(text, 1700000000005678901ull, 3), text + 24);
    assert_string_equal(text, "2023-11-14T22:13:20.005Z");
    lb_calendar_stamp(text, 1700000000005678901ull, 6);
    assert_string_equal(text, "2023-11-14T22:13:20.005678Z");
    lb_calendar_stamp(text, 0, 3);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    lb_calendar_stamp(text, 4294967296000000000ull, 3); /* beyond 2038 and 2106 */
    assert_string_equal(text, "2106-02-07T06:28:16.000Z");
    lb_calendar_stamp(text, UINT64_MAX, 6);
    assert_string_equal(text, "2554-07-21T23:34:33.709551Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_day_has_its_date_and_each_date_its_day),
        cmocka_unit_test(a_year_that_is_divided_by_100_has_a_leap_day_only_where_400_divides_it),
        cmocka_unit_test(dates_before_1970_are_below_0),
        cmocka_unit_test(a_time_is_written_as_rfc_3339_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
