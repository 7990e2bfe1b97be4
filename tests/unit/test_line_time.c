/* SPDX-License-Identifier: MIT */
/* When a line says that it was written, in the forms that logs have. 1795780800 is 2026-11-27 12:00:00 UTC.
 */
#include "common/line_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOON 1795780800000ull

static uint64_t of(const char *line)
{
    return lb_line_time_ms(line, strlen(line), 2026);
}

static void dates_with_a_year(void **state)
{
    (void)state;
    assert_int_equal(of("2026-11-27 12:00:00,123 INFO app: up"), NOON + 123);
    assert_int_equal(of("2026-11-27T12:00:00Z up"), NOON);
    assert_int_equal(of("2026-11-27T14:00:00.5+02:00 up"), NOON + 500);
    assert_int_equal(of("2026-11-27 04:00:00.25-0800 up"), NOON + 250);
    assert_int_equal(of("2026/11/27 12:00:00 [error] 7#7: no"), NOON);
    assert_int_equal(of("10.0.0.1 - - [27/Nov/2026:14:00:00 +0200] \"GET / HTTP/1.1\" 200 5"), NOON);
}

static void wherever_it_stands_in_front(void **state)
{
    (void)state;
    assert_int_equal(of("[2026-11-27 12:00:00 +0000] [12] [INFO] Booting"), NOON);
    assert_int_equal(of("INFO     2026-11-27 12:00:00,001 views 12 up"), NOON + 1);
    assert_int_equal(of("{\"level\":\"info\",\"time\":\"2026-11-27T12:00:00.000Z\"}"), NOON);
    assert_int_equal(of("level=info ts=2026-11-27T12:00:00Z msg=up"), NOON);
    assert_int_equal(of("{\"ts\":1795780800.5,\"msg\":\"up\"}"), NOON + 500);
}

static void a_date_without_a_year_is_of_the_year_given(void **state)
{
    (void)state;
    assert_int_equal(of("Nov 27 12:00:00 pi app[12]: up"), NOON);
    assert_int_equal(of("<13>Nov 27 12:00:00 pi app: up"), NOON);
    assert_int_equal(of("Nov  7 12:00:00 pi app: up"), NOON - 20 * 86400000ull);
}

static void seconds_and_milliseconds_since_1970(void **state)
{
    (void)state;
    assert_int_equal(of("1795780800 up"), NOON);
    assert_int_equal(of("1795780800.123456 up"), NOON + 123);
    assert_int_equal(of("1795780800123 up"), NOON + 123);
}

static void what_is_no_time_is_none(void **state)
{
    static const char *const lines[] = {
        "",
        "up",
        "12:00:00 up",
        "id 17957808001 of 3",
        "0000-00-00 00:00:00 up",
        "2026-13-27 12:00:00 up",
        "2026-11-27 25:00:00 up",
        "v2026-11-27 12:00:00",
        "Nov",
        "Nov 27",
        "1795780800x",
        "99/Foo/2026:12:00:00 +0000",
        "May be",
        "123456789 up",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (of(lines[i]) != 0)
            fail_msg("%s: %llu", lines[i], (unsigned long long)of(lines[i]));
}

static void it_is_not_searched_for_without_end(void **state)
{
    char line[300];

    (void)state;
    memset(line, ' ', sizeof line);
    memcpy(line + 200, "2026-11-27 12:00:00", 19);
    assert_int_equal(lb_line_time_ms(line, sizeof line, 2026), 0);
    memcpy(line + 90, "2026-11-27 12:00:00", 19);
    assert_int_equal(lb_line_time_ms(line, sizeof line, 2026), NOON);
    for (size_t len = 0; len < 109; len++) /* cut off anywhere: never read beyond */
        assert_int_equal(lb_line_time_ms(line, len, 2026), 0);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dates_with_a_year),
        TEST(wherever_it_stands_in_front),
        TEST(a_date_without_a_year_is_of_the_year_given),
        TEST(seconds_and_milliseconds_since_1970),
        TEST(what_is_no_time_is_none),
        TEST(it_is_not_searched_for_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
