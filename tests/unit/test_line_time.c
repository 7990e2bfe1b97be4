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

#define NOON     1795780800000ull
#define HOUR_MS  3600000ull
#define DAY_MS   LB_LINE_TIME_DAY_MS
#define OF_YEAR  (331 * DAY_MS + 12 * HOUR_MS) /* the same without its year: days of a leap year before it */
#define OF_DAY   (12 * HOUR_MS)
#define MARCH_MS (60 * DAY_MS)

struct say {
    const char *line;
    uint64_t ms;
};

static struct lb_line_time of(const char *line)
{
    return lb_line_time_of(line, strlen(line));
}

static void assert_says(const char *line, enum lb_line_time_kind kind, uint64_t ms)
{
    struct lb_line_time time = of(line);

    if (time.kind != kind || time.ms != ms)
        fail_msg("%s: kind %d, %llu ms, not kind %d, %llu ms", line, time.kind, (unsigned long long)time.ms,
                 kind, (unsigned long long)ms);
}

static void assert_all_say(const struct say *say, size_t count, enum lb_line_time_kind kind)
{
    for (size_t i = 0; i < count; i++)
        assert_says(say[i].line, kind, say[i].ms);
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void dates_with_a_zone(void **state)
{
    static const struct say say[] = {
        { "2026-11-27T12:00:00Z up", NOON },
        { "2026-11-27 12:00:00.123 UTC [7] LOG: up", NOON + 123 },
        { "2026-11-27T14:00:00.5+02:00 up", NOON + 500 },
        { "2026-11-27 14:00:00+02 up", NOON },
        { "2026-11-27 04:00:00.25-0800 up", NOON + 250 },
        { "2026-11-27T12:00:00.123456789Z stdout F up", NOON + 123 },
        { "10.0.0.1 - - [27/Nov/2026:14:00:00 +0200] \"GET / HTTP/1.1\" 200 5", NOON },
        { "Fri, 27 Nov 2026 12:00:00 GMT up", NOON },
        { "Fri Nov 27 12:00:00 UTC 2026 up", NOON },
        { "<34>1 2026-11-27T14:00:00.003+02:00 pi app - - - up", NOON + 3 },
        { "20261127T120000Z up", NOON },
    };

    (void)state;
    assert_all_say(say, COUNT(say), LB_LINE_TIME_ZONED);
}

static void dates_without_a_zone(void **state)
{
    static const struct say say[] = {
        { "2026-11-27 12:00:00,123 INFO app: up", NOON + 123 },
        { "2026-11-27 12:00:00 up", NOON },
        { "2026-11-27 12:00:00 -12 degrees", NOON },
        { "2026-11-27 12:00:00 -1234 of 5", NOON },
        { "2026-11-27 12:00:00 CET up", NOON },
        { "2026-11-27 12:00:00:123 up", NOON + 123 },
        { "2026-11-27_12:00:00 up", NOON },
        { "2026/11/27 12:00:00 [error] 7#7: no", NOON },
        { "27-Nov-2026 12:00:00.123 INFO [main] up", NOON + 123 },
        { "12345:M 27 Nov 2026 12:00:00.123 * Ready", NOON + 123 },
        { "27.11.2026 12:00:00 up", NOON },
        { "11/27/2026 12:00:00 PM up", NOON },
        { "11/27/2026, 12:00:00 up", NOON },
        { "27/11/2026 12:00:00 up", NOON },
        { "9/28/2026 2:03:04 PM", NOON - 60 * DAY_MS + 2 * HOUR_MS + 184000 },
        { "[Fri Nov 27 12:00:00 2026] [notice] up", NOON },
        { "[Fri Nov 27 12:00:00.123456 2026] [core:notice] up", NOON + 123 },
        { "Fri Nov 27 12:00:00 CET 2026 up", NOON },
        { "Nov 27, 2026 12:00:00 PM org.app.Main main", NOON },
        { "Nov 27 2026 12:00:00 router up", NOON },
        { "261127 120000 148 INFO dfs.DataNode: up", NOON },
        { "261127 12:00:00 [Note] up", NOON },
        { "261127  2:03:04 [Note] up", NOON - 10 * HOUR_MS + 184000 },
        { "20261127-12:00:00:123|Step|30002312|up", NOON + 123 },
        { "I20261127 12:00:00.123456  7 main.cc:12] up", NOON + 123 },
        { "12:00:00 2026-11-27 up", NOON },
        { "12:00:00.123 2026-11-27 up", NOON + 123 },
        { "2024-02-29 00:00:00 up", 1709164800000ull },
        { "2000-12-31 23:59:60 up", 978307200000ull },
    };

    (void)state;
    assert_all_say(say, COUNT(say), LB_LINE_TIME_LOCAL);
}

static void dates_without_a_year(void **state)
{
    static const struct say say[] = {
        { "Nov 27 12:00:00 pi app[12]: up", OF_YEAR },
        { "<13>Nov 27 12:00:00 pi app: up", OF_YEAR },
        { "Nov  7 12:00:00 pi app: up", OF_YEAR - 20 * DAY_MS },
        { "Jan  1 00:00:00 pi app: up", 0 },
        { "Dec 31 23:59:59 pi app: up", 366 * DAY_MS - 1000 },
        { "Feb 29 00:00:00 pi app: up", 59 * DAY_MS },
        { "Mar  1 00:00:00 pi app: up", MARCH_MS },
        { "I1127 12:00:00.123456    7 server.go:12] up", OF_YEAR + 123 },
        { "[123] 27 Nov 12:00:00.123 # Server started", OF_YEAR + 123 },
    };

    (void)state;
    assert_all_say(say, COUNT(say), LB_LINE_TIME_YEARLESS);
}

static void times_without_a_date(void **state)
{
    static const struct say say[] = {
        { "12:00:00 up", OF_DAY },
        { "12:00:00,123 INFO up", OF_DAY + 123 },
        { "12:00:00.123 [main] INFO up", OF_DAY + 123 },
        { "[12:00:00] up", OF_DAY },
        { "INFO 12:00:00 up", OF_DAY },
        { "[INFO] 12:00:00.5 up", OF_DAY + 500 },
        { "00:00:00 midnight", 0 },
    };

    (void)state;
    assert_all_say(say, COUNT(say), LB_LINE_TIME_OF_DAY);
}

static void times_since_the_machine_started(void **state)
{
    static const struct say say[] = {
        { "[   12.345678] usb 1-1: new device", 12345 },
        { "<6>[   12.345678] usb 1-1: new device", 12345 },
        { "[    0.000000] Linux version 6.1", 0 },
        { "[12345678.901234][    T1] up", 12345678901ull },
    };

    (void)state;
    assert_all_say(say, COUNT(say), LB_LINE_TIME_OF_BOOT);
}

static void a_number_that_counts_from_1970_on(void **state)
{
    static const struct say say[] = {
        { "1795780800 up", NOON },
        { "1795780800.123456 up", NOON + 123 },
        { "1795780800123 up", NOON + 123 },
        { "[1795780800] up", NOON },
        { "type=SYSCALL msg=audit(1795780800.123:456): arch=c000003e", NOON + 123 },
        { "{\"ts\":1795780800.5,\"msg\":\"up\"}", NOON + 500 },
        { "{\"ts\":1795780800123456,\"msg\":\"up\"}", NOON + 123 },
        { "{\"ts\":1795780800123456789,\"msg\":\"up\"}", NOON + 123 },
        { "{\"__REALTIME_TIMESTAMP\":\"1795780800123456\",\"MESSAGE\":\"up\"}", NOON + 123 },
    };

    (void)state;
    assert_all_say(say, COUNT(say), LB_LINE_TIME_ZONED);
}

static void wherever_it_stands_in_front(void **state)
{
    (void)state;
    assert_says("[2026-11-27 12:00:00 +0000] [12] [INFO] Booting", LB_LINE_TIME_ZONED, NOON);
    assert_says("INFO     2026-11-27 12:00:00,001 views 12 up", LB_LINE_TIME_LOCAL, NOON + 1);
    assert_says("\033[32m2026-11-27 12:00:00.001\033[0m | up", LB_LINE_TIME_LOCAL, NOON + 1);
    assert_says("\033[1mINFO\033[0m \033[32m2026-11-27 12:00:00.001\033[0m up", LB_LINE_TIME_LOCAL, NOON + 1);
    assert_says("level=info ts=2026-11-27T12:00:00Z msg=up", LB_LINE_TIME_ZONED, NOON);
}

static void one_in_the_name_of_a_file_or_of_anything_else_is_not_the_lines_own(void **state)
{
    static const struct say say[] = {
        { "nova-api.log.1.2017-05-16_13:53:08 2026-11-27 12:00:00.008 25746 INFO up", NOON + 8 },
        { "app-2017-05-16T13:53:08 2026-11-27 12:00:00.008 up", NOON + 8 },
        { "/var/log/2017-05-16_13:53:08 2026-11-27 12:00:00.008 up", NOON + 8 },
        { "2017-05-16_13:53:08.log 2026-11-27 12:00:00.008 up", NOON + 8 },
        { "job_2017-05-16_13:53:08_7 2026-11-27 12:00:00.008 up", NOON + 8 },
    };

    (void)state;
    assert_all_say(say, COUNT(say), LB_LINE_TIME_LOCAL);
}

static void what_is_no_time_is_none(void **state)
{
    static const char *const lines[] = {
        "",
        "up",
        "up 12:00:00",
        "uptime 12:00:00",
        "12:00",
        "12:00:000 up",
        "00:11:22:33:44:55 is a card",
        "12:30:2017 - up",
        "id 17957808001 of 3",
        "user 1795780800 came",
        "0000-00-00 00:00:00 up",
        "1969-12-31 23:59:59 up",
        "2026-13-27 12:00:00 up",
        "2026-11-27 25:00:00 up",
        "2026-11-27",
        "v2026-11-27 12:00:00",
        "Nov",
        "Nov 27",
        "1795780800x",
        "0795780800 up",
        "17957808001234567 up",
        "99/Foo/2026:12:00:00 +0000",
        "May be",
        "123456789 up",
        "123456 654321 up",
        "[1.5] up",
        "1.2.3.4:80 up",
        "127.0.0.1 - - up",
        "<6> up",
        "\033[",
        "{\"level\":\"info\"}",
        "level=info msg=up",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++)
        assert_says(lines[i], LB_LINE_TIME_NONE, 0);
}

static void a_member_that_is_named_for_the_time_comes_first_however_deep_it_is(void **state)
{
    char line[1200];
    const char *tail = "\",\"@timestamp\":\"2026-11-27T12:00:00.000Z\"}";

    (void)state;
    assert_says("{\"level\":\"info\",\"time\":\"2026-11-27T12:00:00.000Z\"}", LB_LINE_TIME_ZONED, NOON);
    assert_says("{\"msg\": \"due 2020-01-01 00:00:00\", \"asctime\" : \"2026-11-27 12:00:00,198\"}",
                LB_LINE_TIME_LOCAL, NOON + 198);
    assert_says("{\"log\":\"{\\\"time\\\":\\\"2020-01-01 00:00:00\\\"}\",\"time\":\"2026-11-27T12:00:00Z\"}",
                LB_LINE_TIME_ZONED, NOON);
    assert_says("{\"time\":{\"repr\":\"now\",\"timestamp\":1795780800.123}}", LB_LINE_TIME_ZONED, NOON + 123);
    assert_says("{\"date\":\"Fri, 27 Nov 2026 12:00:00 GMT\"}", LB_LINE_TIME_ZONED, NOON);
    assert_says("{\"time\":\"\",\"text\":\"2026-11-27 12:00:00 | up\"}", LB_LINE_TIME_LOCAL, NOON);
    assert_says("level=info msg=\"due 2020-01-01 00:00:00\" time=\"2026-11-27 12:00:00\"", LB_LINE_TIME_LOCAL,
                NOON);

    memset(line, 'x', sizeof line);
    memcpy(line, "{\"message\":\"", 12);
    memcpy(line + LB_LINE_TIME_DEEP - strlen(tail), tail, strlen(tail));
    assert_int_equal(lb_line_time_of(line, sizeof line).ms, NOON);
    memset(line + 12, 'x', sizeof line - 12);
    memcpy(line + LB_LINE_TIME_DEEP - 20, tail, strlen(tail));
    assert_int_equal(lb_line_time_of(line, sizeof line).kind, LB_LINE_TIME_NONE);
    memset(line, 'x', sizeof line);
    memcpy(line, "level=info msg=", 15);
    memcpy(line + 900, " ts=1795780800.5 ", 17);
    assert_int_equal(lb_line_time_of(line, sizeof line).ms, NOON + 500);
}

static void it_is_not_searched_for_without_end(void **state)
{
    char line[300];

    (void)state;
    memset(line, ' ', sizeof line);
    memcpy(line + 200, "2026-11-27 12:00:00", 19);
    assert_int_equal(lb_line_time_of(line, sizeof line).kind, LB_LINE_TIME_NONE);
    memcpy(line + 90, "2026-11-27 12:00:00", 19);
    assert_int_equal(lb_line_time_of(line, sizeof line).ms, NOON);
    for (size_t len = 0; len < 109; len++) /* cut off anywhere: never read beyond */
        assert_int_equal(lb_line_time_of(line, len).kind, LB_LINE_TIME_NONE);
}

/* ---- which of the instants that it may mean */

static uint64_t near(const char *line, uint64_t now_ms)
{
    return lb_line_time_near(of(line), now_ms);
}

static void a_date_without_a_year_is_of_the_year_about_now(void **state)
{
    const uint64_t new_year = 1798761600000ull; /* 2027-01-01 */

    (void)state;
    assert_int_equal(near("Nov 27 12:00:00", NOON), NOON);
    assert_int_equal(near("Nov 27 12:00:01", NOON), NOON + 1000);
    assert_int_equal(near("Nov 26 12:00:00", NOON), NOON - DAY_MS);
    assert_int_equal(near("Jan  1 00:00:00", new_year - 1000), new_year);
    assert_int_equal(near("Dec 31 23:59:59", new_year + 1000), new_year - 1000);
    assert_int_equal(near("Dec 31 23:59:59", new_year - 1000), new_year - 1000);
    assert_int_equal(near("Sep 27 12:00:00", NOON), NOON - 61 * DAY_MS);
    assert_int_equal(near("Aug  1 12:00:00", NOON),
                     NOON + 247 * DAY_MS); /* a long pause, not a long step back */
    assert_int_equal(near("Feb 29 00:00:00", 1709164800000ull), 1709164800000ull);
    assert_int_equal(near("Mar  1 00:00:00", 1709251200000ull), 1709251200000ull);
    assert_int_equal(near("Mar  1 00:00:00", 1772323200000ull), 1772323200000ull); /* 2026 */
    assert_int_equal(near("Jan  1 02:00:00", 0), 2 * HOUR_MS);
}

static void a_time_without_a_date_is_of_the_day_about_now(void **state)
{
    const uint64_t midnight = NOON + 12 * HOUR_MS;

    (void)state;
    assert_int_equal(near("12:00:00", NOON), NOON);
    assert_int_equal(near("07:00:00", NOON), NOON - 5 * HOUR_MS);
    assert_int_equal(near("05:00:00", NOON), NOON + 17 * HOUR_MS);
    assert_int_equal(near("00:00:01", midnight - 1000), midnight + 1000);
    assert_int_equal(near("23:59:59", midnight + 1000), midnight - 1000);
}

static void any_other_is_what_it_says(void **state)
{
    (void)state;
    assert_int_equal(near("2026-11-27 12:00:00", 0), NOON);
    assert_int_equal(near("2026-11-27T12:00:00Z", NOON * 2), NOON);
    assert_int_equal(near("[   12.345678] up", NOON), 12345);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dates_with_a_zone),
        TEST(dates_without_a_zone),
        TEST(dates_without_a_year),
        TEST(times_without_a_date),
        TEST(times_since_the_machine_started),
        TEST(a_number_that_counts_from_1970_on),
        TEST(wherever_it_stands_in_front),
        TEST(one_in_the_name_of_a_file_or_of_anything_else_is_not_the_lines_own),
        TEST(what_is_no_time_is_none),
        TEST(a_member_that_is_named_for_the_time_comes_first_however_deep_it_is),
        TEST(it_is_not_searched_for_without_end),
        TEST(a_date_without_a_year_is_of_the_year_about_now),
        TEST(a_time_without_a_date_is_of_the_day_about_now),
        TEST(any_other_is_what_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
