/* SPDX-License-Identifier: MIT */
/*
 * What a plan counts: by pattern, by what decided, and by service.
 *
 * The story: records come out of the steps with a verdict. Each line is in one row of its service whatever
 * the size of the tables, what gave way is counted each, and the books balance.
 */
#include "agent/offline/plan_tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct lb_plan_tally *tally;

static int begin(void **state)
{
    (void)state;
    tally = calloc(1, sizeof *tally);
    return tally ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    lb_plan_tally_free(tally);
    free(tally);
    return 0;
}

static void count(uint32_t row, const char *text, enum lb_shape_verdict verdict, const char *by,
                  uint64_t lines)
{
    struct lb_shape_output out = { .verdict = verdict, .text = text, .len = strlen(text), .by = by };

    out.drop = verdict == LB_SHAPE_HOLD ? LB_DROP_LIMIT : LB_DROP_FILTER;
    assert_true(lb_plan_tally_count(tally, row, &out, lines));
}

static uint64_t lines_of(uint32_t row, enum lb_plan_fate fate)
{
    static struct lb_plan_pattern rows[LB_PLAN_PATTERNS];
    uint64_t lines = 0;

    for (unsigned i = lb_plan_tally_best(tally, row, rows, LB_PLAN_PATTERNS); i > 0; i--)
        lines += rows[i - 1].lines[fate];
    return lines;
}

static void lines_of_a_pattern_are_one_row_by_what_became_of_them(void **state)
{
    struct lb_plan_pattern rows[4];

    (void)state;
    count(2, "took 5 ms", LB_SHAPE_QUEUE, "", 1);
    count(2, "took 77 ms", LB_SHAPE_QUEUE, "", 1);
    count(2, "took 8 ms", LB_SHAPE_HOLD, "beyond rate", 3);
    count(2, "went home", LB_SHAPE_DROP, "chatter", 1);
    count(3, "took 5 ms", LB_SHAPE_QUEUE, "", 1);

    assert_int_equal(lb_plan_tally_best(tally, 2, rows, 4), 2);
    assert_int_equal(lb_plan_pattern_lines(&rows[0]), 5);
    assert_int_equal(rows[0].lines[LB_PLAN_KEPT], 2);
    assert_int_equal(rows[0].lines[LB_PLAN_HELD], 3);
    assert_int_equal(rows[0].bytes, strlen("took 5 ms") + strlen("took 77 ms") + strlen("took 8 ms"));
    assert_memory_equal(rows[0].template, "took <num>", rows[0].template_len);
    assert_int_equal(rows[1].lines[LB_PLAN_DROPPED], 1);
    assert_int_equal(lb_plan_tally_best(tally, 3, rows, 4), 1);
}

static void what_is_not_among_the_best_is_one_row_behind_them(void **state)
{
    static const char *const texts[] = { "one", "two", "two", "three", "three", "three" };
    struct lb_plan_pattern rows[2];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        count(0, texts[i], LB_SHAPE_QUEUE, "", 1);
    assert_int_equal(lb_plan_tally_best(tally, 0, rows, 2), 2);
    assert_memory_equal(rows[0].template, "three", 5);
    assert_int_equal(rows[1].pattern, 0);
    assert_int_equal(lb_plan_pattern_lines(&rows[1]), 3);
}

/* So many patterns, or rules, that the table is full: as words of letters alone, each is another one. */
static const char *word(unsigned number)
{
    static char text[16];

    snprintf(text, sizeof text, "w%c%c%c%c", 'g' + number % 20, 'g' + number / 20 % 20,
             'g' + number / 400 % 20, 'g' + number / 8000 % 20);
    return text;
}

static void a_full_table_of_patterns_loses_no_line(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * LB_PLAN_PATTERNS; i++)
        count(i % 2, word(i), LB_SHAPE_QUEUE, "", 1);
    assert_int_equal(lines_of(0, LB_PLAN_KEPT), LB_PLAN_PATTERNS);
    assert_int_equal(lines_of(1, LB_PLAN_KEPT), LB_PLAN_PATTERNS);
    assert_true(lb_plan_pattern_lines(&tally->rest[0]) > 0);
    assert_true(lb_plan_pattern_lines(&tally->rest[1]) > 0);
}

static void what_decided_is_told_apart_by_service_reason_and_rule(void **state)
{
    (void)state;
    count(1, "a", LB_SHAPE_DROP, "chatter", 2);
    count(1, "b", LB_SHAPE_DROP, "chatter", 1);
    count(1, "a", LB_SHAPE_DROP, "noise", 1);
    count(1, "a", LB_SHAPE_HOLD, "chatter", 1);
    count(4, "a", LB_SHAPE_DROP, "chatter", 1);
    count(4, "a", LB_SHAPE_QUEUE, "", 1);
    assert_int_equal(tally->whys, 4);
    assert_int_equal(tally->why[0].lines, 3);
    assert_string_equal(tally->why[1].by, "noise");
}

static void reasons_that_find_no_row_are_those_of_their_service(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LB_PLAN_WHYS; i++)
        count(0, "a", LB_SHAPE_DROP, word(i), 1);
    count(1, "a", LB_SHAPE_DROP, "late", 2);
    count(2, "a", LB_SHAPE_DROP, "late", 3);
    count(0, "a", LB_SHAPE_DROP, word(LB_PLAN_WHYS - 1), 4);
    assert_int_equal(tally->whys, LB_PLAN_WHYS);
    assert_int_equal(tally->why[LB_PLAN_WHYS - 1].lines, 5);
    assert_int_equal(tally->why_rest[0].lines, 0);
    assert_int_equal(tally->why_rest[1].lines, 2);
    assert_int_equal(tally->why_rest[2].lines, 3);
}

static void beyond_the_first_ones_some_kept_lines_stand_for_all(void **state)
{
    uint64_t many = 4 * LB_PLAN_PATTERNS_WHOLE;
    struct lb_plan_pattern rows[3];

    (void)state;
    for (uint64_t i = 0; i < LB_PLAN_PATTERNS_WHOLE; i++)
        count(0, i % 4 ? "often" : "now and then", LB_SHAPE_QUEUE, "", 1);
    assert_false(lb_plan_tally_is_sampled(tally, 0));
    assert_int_equal(lb_plan_tally_best(tally, 0, rows, 3), 2);
    assert_int_equal(rows[1].lines[LB_PLAN_KEPT], LB_PLAN_PATTERNS_WHOLE / 4);

    for (uint64_t i = LB_PLAN_PATTERNS_WHOLE; i < many; i++)
        count(0, i % 4 ? "often" : "now and then", LB_SHAPE_QUEUE, "", 1);
    assert_true(lb_plan_tally_is_sampled(tally, 0));
    assert_int_equal(lines_of(0, LB_PLAN_KEPT), many);
    lb_plan_tally_best(tally, 0, rows, 3);
    assert_in_range(rows[1].lines[LB_PLAN_KEPT], many / 4 * 97 / 100, many / 4 * 103 / 100);
}

static void what_gave_way_and_records_of_several_lines_are_counted_each(void **state)
{
    struct lb_plan_pattern rows[4];
    uint64_t many = LB_PLAN_PATTERNS_WHOLE + 1000;

    (void)state;
    for (uint64_t i = 0; i < many; i++)
        count(0, "kept", LB_SHAPE_QUEUE, "", 1);
    for (unsigned i = 0; i < 1001; i++) {
        count(0, "held", LB_SHAPE_HOLD, "beyond rate", 1);
        count(0, "long", LB_SHAPE_QUEUE, "", 7);
    }
    assert_int_equal(lb_plan_tally_best(tally, 0, rows, 4), 3 + (tally->owed[0].waiting > 0));
    assert_int_equal(rows[1].lines[LB_PLAN_KEPT], 7007);
    assert_int_equal(rows[2].lines[LB_PLAN_HELD], 1001);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(lines_of_a_pattern_are_one_row_by_what_became_of_them),
        TEST(what_is_not_among_the_best_is_one_row_behind_them),
        TEST(a_full_table_of_patterns_loses_no_line),
        TEST(what_decided_is_told_apart_by_service_reason_and_rule),
        TEST(reasons_that_find_no_row_are_those_of_their_service),
        TEST(beyond_the_first_ones_some_kept_lines_stand_for_all),
        TEST(what_gave_way_and_records_of_several_lines_are_counted_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
