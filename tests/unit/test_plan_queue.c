/* SPDX-License-Identifier: MIT */
/* Records that wait for their time: first in, first out, whole. */
#include "agent/offline/plan_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct lb_plan_queue queue;

static void put(const char *text, uint32_t lines)
{
    struct lb_shape shape = { .lines = lines };

    assert_true(lb_plan_queue_put(&queue, &shape, text, strlen(text), lines == 2));
}

static void assert_next(const char *want, uint32_t lines)
{
    char *text;
    const struct lb_plan_queued *record = lb_plan_queue_take(&queue, &text);

    assert_non_null(record);
    assert_int_equal(record->len, strlen(want));
    assert_memory_equal(text, want, record->len);
    assert_int_equal(record->shape.lines, lines);
    assert_int_equal(record->is_cut, lines == 2);
    memset(text, '!', record->len); /* as the steps may */
}

static int end(void **state)
{
    (void)state;
    lb_plan_queue_free(&queue);
    memset(&queue, 0, sizeof queue);
    return 0;
}

static void records_come_out_as_they_went_in(void **state)
{
    char *text;

    (void)state;
    assert_null(lb_plan_queue_take(&queue, &text));
    put("one", 1);
    put("", 2);
    put("three\nlines\nof it", 3);
    assert_next("one", 1);
    put("four", 4);
    assert_next("", 2);
    assert_next("three\nlines\nof it", 3);
    assert_next("four", 4);
    assert_null(lb_plan_queue_take(&queue, &text));
}

static void it_is_used_from_its_begin_again_however_long_it_never_runs_empty(void **state)
{
    char line[64];

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(line, sizeof line, "record %u", i);
        put(line, i + 3);
        if (i < 7)
            continue;
        snprintf(line, sizeof line, "record %u", i - 7);
        assert_next(line, i - 7 + 3);
    }
    assert_int_equal(queue.count, 7);
    assert_true(queue.room < 1024);
}

static void as_many_wait_as_the_clock_lets(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LB_PLAN_CLOCK_WAITS; i++)
        put("x", i + 3);
    for (unsigned i = 0; i < LB_PLAN_CLOCK_WAITS; i++)
        assert_next("x", i + 3);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_come_out_as_they_went_in),
        TEST(it_is_used_from_its_begin_again_however_long_it_never_runs_empty),
        TEST(as_many_wait_as_the_clock_lets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
