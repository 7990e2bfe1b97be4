/* SPDX-License-Identifier: MIT */
/*
 * What the wear report is made of: texts from outside, where a bucket stands
 * and how high a mark is, figures in words. Each is a pure function, so a table
 * of cases says what it does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wear/report_axis.h"
#include "agent/wear/report_series.h"
#include "agent/wear/report_text.h"
#include "tests/unit/lib_report.h"

/* What a text becomes; static, until the next call. */
static const char *escaped(const char *text, size_t size, size_t chars_max)
{
    static char buf[256];
    FILE *out = fmemopen(buf, sizeof buf, "w");

    assert_non_null(out);
    lb_report_text_cut(out, text, size, chars_max);
    fclose(out);
    return buf;
}

static void what_is_no_character_is_replaced_and_the_rest_stays(void **state)
{
    static const struct {
        const char *text, *becomes;
    } cases[] = {
        { "plain", "plain" },
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* '<', too long */
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* half a character */
        { "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd" }, /* cut */
        { "\xe2\x80\xae"
          "exe",
          "\xef\xbf\xbd"
          "exe" }, /* turns what follows */
        { "\xc2\x85\x7f\t", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xef\xbf\xbf", "\xef\xbf\xbd" }, /* XML has no such character */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(escaped(cases[i].text, 32, 32), cases[i].becomes);
    assert_string_equal(escaped("abcdef", 3, 32), "abc"); /* an array without its NUL */
    assert_string_equal(escaped("\xc3\xbc\xc3\xbc\xc3\xbc", 32, 2), "\xc3\xbc\xc3\xbc\xe2\x80\xa6");
    assert_string_equal(escaped("ab", 32, 2), "ab");
}

static void a_time_that_was_not_seen_is_a_gap(void **state)
{
    struct lb_wear_view *view = test_wear_view("outage");
    struct lb_report_axis axis = lb_report_axis(view);
    struct lb_report_series series;

    (void)state;
    assert_int_equal(axis.slots, 100);
    assert_int_equal(lb_report_axis_x(&axis, &view->bucket[0]), 0);
    assert_int_equal(lb_report_axis_x(&axis, &view->bucket[19]), 190);
    assert_int_equal(lb_report_axis_x(&axis, &view->bucket[20]), 320);
    assert_int_equal(lb_report_axis_x(&axis, &view->bucket[87]), 990);

    view->bucket[0].start_ns -= 400 * 600 * 1000000000ull; /* the machine slept for days since */
    axis = lb_report_axis(view);
    series = lb_report_series(view, &axis, 0);
    assert_int_equal(axis.slots, LB_WEAR_BUCKETS);
    assert_int_equal(lb_report_axis_x(&axis, &view->bucket[0]), -1);
    assert_int_equal(lb_report_axis_x(&axis, &view->bucket[87]), 1430);
    assert_int_equal(series.total + view->bucket[0].disk_bytes[0], view->figures[0].looked_bytes);
}

static void marks_are_round_and_reach_over_the_peak(void **state)
{
    static const struct {
        uint64_t peak, step, top;
    } cases[] = {
        { 0, 1, 1 },
        { 1, 1, 1 },
        { 4, 1, 4 },
        { 5, 2, 6 },
        { 10, 5, 10 },
        { 41, 10, 50 },
        { 999, 200, 1000 },
        { 40300000, 10000000, 50000000 },
        { UINT64_MAX, 500000000000000000, 1000000000000000000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(lb_report_axis_step(cases[i].peak) == cases[i].step);
        assert_true(lb_report_axis_top(cases[i].peak) == cases[i].top);
    }
}

static void a_moment_says_the_day_only_where_it_is_another(void **state)
{
    struct lb_wear_view *view = test_wear_view("busy");
    const uint64_t minute_ns = 60 * 1000000000ull;
    char buf[LB_REPORT_WORD];

    (void)state;
    assert_string_equal(lb_report_stamp(view, view->sampled_ns, buf), "2026-12-09 21:57:00 UTC");
    assert_string_equal(lb_report_moment(view, view->sampled_ns, buf), "21:57");
    assert_string_equal(lb_report_moment(view, view->sampled_ns - 1318 * minute_ns, buf), "08 Dec 23:59");
    view->wall_offset_ns = 0;
    assert_string_equal(lb_report_moment(view, view->sampled_ns - 200 * minute_ns, buf), "3 h 20 min ago");
    assert_string_equal(lb_report_moment(view, view->sampled_ns, buf), "now");
}

static void figures_in_words(void **state)
{
    static const struct {
        char *(*word)(uint64_t value, char *buf);
        uint64_t value;
        const char *text;
    } cases[] = {
        { lb_report_bytes, 0, "0 B" },
        { lb_report_bytes, 999, "999 B" },
        { lb_report_bytes, 1000, "1 kB" },
        { lb_report_bytes, 1249, "1.2 kB" },
        { lb_report_bytes, 99949, "99.9 kB" },
        { lb_report_bytes, 99960, "100 kB" },
        { lb_report_bytes, 999499, "999 kB" },
        { lb_report_bytes, 999500, "1 MB" },
        { lb_report_bytes, 1200000000, "1.2 GB" },
        { lb_report_bytes, UINT64_MAX - 1, "18.4 EB" },
        { lb_report_bytes, LB_WEAR_UNKNOWN, "not known" },
        { lb_report_span, 59, "59 s" },
        { lb_report_span, 3540, "59 min" },
        { lb_report_span, 3600, "1 h" },
        { lb_report_span, 11520, "3 h 12 min" },
        { lb_report_span, 86400 * 2, "2 days" },
        { lb_report_life, 86400 * 23, "23 days" },
        { lb_report_life, 31557600ull * 14 / 12, "14 months" },
        { lb_report_life, 31557600ull * 8, "8 years" },
        { lb_report_life, 31557600ull * 101, "over 100 years" },
        { lb_report_count, 0, "0" },
        { lb_report_count, 999, "999" },
        { lb_report_count, 1234567, "1,234,567" },
        { lb_report_count, UINT64_MAX - 1, "18,446,744,073,709,551,614" },
    };
    char buf[LB_REPORT_WORD];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(cases[i].word(cases[i].value, buf), cases[i].text);
    assert_string_equal(lb_report_share(0, 0, buf), "-");
    assert_string_equal(lb_report_share(0, 9, buf), "0 %");
    assert_string_equal(lb_report_share(1, 1000, buf), "under 1 %");
    assert_string_equal(lb_report_share(2, 3, buf), "67 %");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_character_is_replaced_and_the_rest_stays),
        cmocka_unit_test(a_time_that_was_not_seen_is_a_gap),
        cmocka_unit_test(marks_are_round_and_reach_over_the_peak),
        cmocka_unit_test(a_moment_says_the_day_only_where_it_is_another),
        cmocka_unit_test(figures_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
