/* SPDX-License-Identifier: MIT */
/*
 * What was suppressed, summed up.
 *
 * The story: the throttle keeps records back. Once a minute somebody is told how many, of which kinds, and
 * why; each of them once, whatever instant the agent is killed at.
 */
#include "agent/shape/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_throttle.h"

static struct lb_summary body;
static uint64_t next_ns;
static unsigned templates_asked_for;

static size_t template_of(void *arg, char *buf, size_t size)
{
    templates_asked_for++;
    return (size_t)snprintf(buf, size, "pattern <num> of %s", (const char *)arg);
}

static void suppress(uint32_t service, enum lb_drop why, uint64_t pattern, uint32_t lines, uint64_t now_ns)
{
    struct lb_suppressed record = { service, why, pattern, 6, lines, 10 * lines, now_ns };

    lb_summary_count(&throttle_commit, &record, template_of, (char[]) { "me" });
    lb_commit_publish(&throttle_commit);
}

static bool is_due(uint32_t *row, uint64_t now_ns)
{
    *row = 0;
    return lb_summary_next(&throttle_commit, row, now_ns, false, &body, &next_ns);
}

static void a_minute_after_the_first_it_is_told_by_reason_and_pattern(void **state)
{
    uint32_t row;

    (void)state;
    templates_asked_for = 0;
    suppress(3, LB_DROP_SAMPLE, 7, 1, 10 * SECOND);
    suppress(3, LB_DROP_SAMPLE, 7, 2, 20 * SECOND);
    suppress(3, LB_DROP_LIMIT, 8, 5, 30 * SECOND);
    assert_false(is_due(&row, 69 * SECOND));
    assert_int_equal(next_ns, 70 * SECOND);
    assert_true(is_due(&row, 70 * SECOND));
    assert_int_equal(row, 3);
    assert_int_equal(body.lines, 8);
    assert_int_equal(body.bytes, 80);
    assert_int_equal(body.first_ns, 10 * SECOND);
    assert_int_equal(body.last_ns, 30 * SECOND);
    assert_int_equal(body.by_reason[LB_DROP_SAMPLE - LB_DROP_FILTER], 3);
    assert_int_equal(body.by_reason[LB_DROP_LIMIT - LB_DROP_FILTER], 5);
    assert_int_equal(body.patterns, 2);
    assert_int_equal(body.pattern[0].id, 8);
    assert_int_equal(body.pattern[1].id, 7);
    assert_int_equal(body.pattern[1].first_ns, 10 * SECOND);
    assert_int_equal(body.pattern[1].last_ns, 20 * SECOND);
    assert_memory_equal(body.pattern[1].template, "pattern <num> of me", body.pattern[1].template_len);
    assert_int_equal(templates_asked_for, 2);
}

static void one_that_is_older_than_what_was_counted_moves_the_begin(void **state)
{
    uint32_t row;

    (void)state;
    suppress(3, LB_DROP_SAMPLE, 7, 1, 30 * SECOND);
    suppress(3, LB_DROP_SAMPLE, 7, 1, 10 * SECOND);
    assert_true(is_due(&row, 90 * SECOND));
    assert_int_equal(body.pattern[0].first_ns, 10 * SECOND);
    assert_int_equal(body.pattern[0].last_ns, 30 * SECOND);
}

static void what_was_told_is_not_told_again(void **state)
{
    uint32_t row;

    (void)state;
    suppress(3, LB_DROP_SAMPLE, 7, 1, 10 * SECOND);
    assert_true(is_due(&row, 100 * SECOND));
    throttle_restart(); /* killed before the record was committed */
    assert_true(is_due(&row, 100 * SECOND));
    lb_summary_told(&throttle_commit, row);
    lb_commit_publish(&throttle_commit);
    throttle_restart();
    assert_false(is_due(&row, 1000 * SECOND));
    assert_true(next_ns == UINT64_MAX);
}

static void services_have_summaries_of_their_own(void **state)
{
    uint32_t row;

    (void)state;
    suppress(3, LB_DROP_SAMPLE, 7, 1, 10 * SECOND);
    suppress(200, LB_DROP_FILTER, 7, 2, 10 * SECOND);
    assert_true(is_due(&row, 100 * SECOND));
    assert_int_equal(body.lines, 1);
    lb_summary_told(&throttle_commit, row);
    lb_commit_publish(&throttle_commit);
    assert_true(is_due(&row, 100 * SECOND));
    assert_int_equal(row, 200);
    assert_int_equal(body.lines, 2);
}

static void the_rest_is_one_row_and_nothing_is_missing(void **state)
{
    uint64_t sum = 0;
    uint32_t row;

    (void)state;
    for (uint64_t pattern = 1; pattern <= 1000; pattern++)
        suppress(3, LB_DROP_SAMPLE, pattern * 7919, (uint32_t)(1 + pattern % 50), 10 * SECOND);
    suppress(3, LB_DROP_LIMIT, 0, 4, 10 * SECOND); /* of no pattern */
    for (uint64_t pattern = 1; pattern <= 1000; pattern++)
        sum += 1 + pattern % 50;
    assert_true(is_due(&row, 100 * SECOND));
    assert_int_equal(body.patterns, LB_SUMMARY_PATTERNS);
    assert_int_equal(body.lines, sum + 4);
    assert_int_equal(body.bytes, 10 * (sum + 4));
    for (unsigned i = 1; i < body.patterns; i++)
        assert_true(body.pattern[i - 1].lines >= body.pattern[i].lines);
    lb_summary_told(&throttle_commit, row);
    lb_commit_publish(&throttle_commit);
    assert_false(is_due(&row, 1000 * SECOND));
}

static void what_was_sent_after_all_is_told_beside(void **state)
{
    uint32_t row;

    (void)state;
    suppress(3, LB_DROP_SAMPLE, 7, 9, 10 * SECOND);
    lb_summary_promoted(&throttle_commit, 3, 4, 40, 11 * SECOND);
    lb_commit_publish(&throttle_commit);
    assert_true(is_due(&row, 100 * SECOND));
    assert_int_equal(body.lines, 9);
    assert_int_equal(body.promoted_lines, 4);
    assert_int_equal(body.promoted_bytes, 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, throttle_begin, throttle_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_minute_after_the_first_it_is_told_by_reason_and_pattern),
        TEST(one_that_is_older_than_what_was_counted_moves_the_begin),
        TEST(what_was_told_is_not_told_again),
        TEST(services_have_summaries_of_their_own),
        TEST(the_rest_is_one_row_and_nothing_is_missing),
        TEST(what_was_sent_after_all_is_told_beside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
