/* SPDX-License-Identifier: MIT */
/*
 * Where records end, line by line, as the capture asks: what ends one has begun the next, and is not looked
 * at again; a record that was ended keeps what was known of it until it is closed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/shape/pipeline.h"
#include "common/level.h"

static const struct lb_capture_config settings = {
    .multiline = LB_JOIN_PYTHON,
    .join_lines = 4,
    .join_bytes = 1000,
};

static enum lb_shape_step show(struct lb_shape *shape, const char *line)
{
    return lb_shape_line(shape, &settings, line, strlen(line), (uint32_t)strlen(line) + 1);
}

static enum lb_shape_step show_again(struct lb_shape *shape, const char *line)
{
    return lb_shape_line(shape, &settings, NULL, strlen(line), (uint32_t)strlen(line) + 1);
}

static const char *why_of(const struct lb_shape *shape)
{
    static char text[] = "text";
    struct lb_shape_input in = { .text = text, .len = sizeof text - 1, .kind = LB_STREAM_STDOUT };
    struct lb_shape_output out;

    lb_shape_record(shape, &(struct lb_shape_settings) { .capture = &settings },
                    &(struct lb_shape_tables) { 0 }, &in, &out);
    return out.why;
}

static void the_line_that_ends_a_record_is_not_looked_at_again(void **state)
{
    struct lb_shape shape = { 0 };

    (void)state;
    assert_int_equal(show(&shape, "INFO:a:b"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "ERROR:a:c"), LB_SHAPE_CLOSE);
    assert_true(shape.has_next);
    assert_int_equal(shape.first.level, LB_LEVEL_INFO);
    lb_shape_closed(&shape);
    assert_int_equal(show_again(&shape, "ERROR:a:c"), LB_SHAPE_KEEP);
    assert_int_equal(shape.first.level, LB_LEVEL_ERROR);
    assert_int_equal(shape.lines, 1);
    assert_int_equal(shape.bytes, 10);
    assert_true(lb_shape_waits(&shape)); /* the state is that of the error, which a traceback may follow */
}

static void a_record_that_was_ended_still_knows_why_it_was_joined(void **state)
{
    struct lb_shape shape = { 0 };

    (void)state;
    assert_int_equal(show(&shape, "INFO:a:b"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "  more"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "INFO:a:c"), LB_SHAPE_CLOSE);
    assert_string_equal(why_of(&shape), "indented");
    lb_shape_closed(&shape);
    assert_int_equal(show_again(&shape, "INFO:a:c"), LB_SHAPE_KEEP);
    assert_string_equal(why_of(&shape), "");
}

static void a_blank_line_ends_a_record_and_begins_none(void **state)
{
    struct lb_shape shape = { 0 };

    (void)state;
    assert_int_equal(show(&shape, "INFO:a:b"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, ""), LB_SHAPE_CLOSE);
    assert_false(shape.has_next);
    lb_shape_closed(&shape);
    assert_int_equal(show(&shape, ""), LB_SHAPE_BLANK);
    assert_int_equal(show(&shape, "  File \"a.py\", line 1, in f"), LB_SHAPE_KEEP);
}

static void lines_on_hold_come_again_as_they_are(void **state)
{
    struct lb_shape shape = { 0 };

    (void)state;
    assert_int_equal(show(&shape, "ERROR:a:b"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "text"), LB_SHAPE_KEEP);
    assert_int_equal(shape.held, 1);
    assert_int_equal(show(&shape, "INFO:a:c"), LB_SHAPE_CLOSE);
    assert_false(shape.has_next);
    lb_shape_closed(&shape);
    assert_int_equal(show(&shape, "text"), LB_SHAPE_KEEP);
    assert_int_equal(shape.lines, 1);
}

static void a_line_that_is_not_shown_again_leaves_no_trace(void **state)
{
    struct lb_shape shape = { 0 };

    (void)state;
    assert_int_equal(show(&shape, "INFO:a:b"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "ERROR:a:c"), LB_SHAPE_CLOSE);
    lb_shape_closed(&shape);
    lb_shape_forget_next(&shape);
    assert_int_equal(show(&shape, "Traceback (most recent call last):"), LB_SHAPE_KEEP);
    assert_int_equal(shape.lines, 1);
}

static void what_a_bound_cuts_goes_on_as_a_part_of_it(void **state)
{
    struct lb_shape shape = { 0 };

    (void)state;
    assert_int_equal(show(&shape, "ERROR:a:b"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "Traceback (most recent call last):"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "  File \"a.py\", line 1, in f"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "    g()"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "  File \"a.py\", line 2, in g"), LB_SHAPE_CLOSE);
    lb_shape_closed(&shape);
    assert_true(shape.is_continued && !shape.has_next);
    assert_int_equal(show(&shape, "  File \"a.py\", line 2, in g"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "KeyError: 1"), LB_SHAPE_KEEP);
    assert_int_equal(show(&shape, "INFO:a:c"), LB_SHAPE_CLOSE);
    assert_true(shape.has_next);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_that_ends_a_record_is_not_looked_at_again),
        cmocka_unit_test(a_record_that_was_ended_still_knows_why_it_was_joined),
        cmocka_unit_test(a_blank_line_ends_a_record_and_begins_none),
        cmocka_unit_test(lines_on_hold_come_again_as_they_are),
        cmocka_unit_test(a_line_that_is_not_shown_again_leaves_no_trace),
        cmocka_unit_test(what_a_bound_cuts_goes_on_as_a_part_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
