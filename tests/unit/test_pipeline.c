/* SPDX-License-Identifier: MIT */
/* A line through the shaping steps: its level, wherever staging has cut it to pieces, and what is dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/shape/pipeline.h"
#include "agent/shape/severity.h"

static const struct lb_capture_config settings = { .stdout_level = LB_LEVEL_NOTICE,
                                                   .stderr_level = LB_LEVEL_ERROR };

static struct lb_shape_output shape(const struct iovec *piece, unsigned pieces, enum lb_stream_kind kind)
{
    struct lb_shape_input in = { .piece = piece, .pieces = pieces, .kind = kind };
    struct lb_shape_output out;

    for (unsigned i = 0; i < pieces; i++)
        in.body_len += (uint32_t)piece[i].iov_len;
    memset(&out, 0xff, sizeof out);
    lb_shape_line(&settings, &in, &out);
    return out;
}

static struct iovec part(const char *text, size_t len)
{
    return (struct iovec) { (void *)(uintptr_t)text, len };
}

static void a_line_without_a_level_has_that_of_its_stream(void **state)
{
    struct iovec piece = part("pump is on", 10);

    (void)state;
    assert_int_equal(shape(&piece, 1, LB_STREAM_STDOUT).severity, LB_LEVEL_NOTICE);
    assert_int_equal(shape(&piece, 1, LB_STREAM_STDIN).severity, LB_LEVEL_NOTICE);
    assert_int_equal(shape(&piece, 1, LB_STREAM_STDERR).severity, LB_LEVEL_ERROR);
    assert_int_equal(shape(&piece, 1, LB_STREAM_STDERR).verdict, LB_SHAPE_QUEUE);
}

static void a_level_of_its_own_goes_before_that_of_the_stream(void **state)
{
    struct iovec piece = part("DEBUG:root:x", 12);

    (void)state;
    assert_int_equal(shape(&piece, 1, LB_STREAM_STDERR).severity, LB_LEVEL_DEBUG);
}

static void an_empty_line_is_dropped_as_blank(void **state)
{
    struct iovec none = part("", 0), two[2] = { part("", 0), part("", 0) }, blank = part(" ", 1);

    (void)state;
    assert_int_equal(shape(&none, 1, LB_STREAM_STDOUT).verdict, LB_SHAPE_DROP_BLANK);
    assert_int_equal(shape(NULL, 0, LB_STREAM_STDOUT).verdict, LB_SHAPE_DROP_BLANK);
    assert_int_equal(shape(two, 2, LB_STREAM_STDOUT).verdict, LB_SHAPE_DROP_BLANK);
    assert_int_equal(shape(&blank, 1, LB_STREAM_STDOUT).verdict, LB_SHAPE_QUEUE);
}

static void pieces_change_nothing(void **state)
{
    static const char line[] = "2026-01-31 23:59:59,123 - till - WARNING - text";
    size_t len = sizeof line - 1;

    (void)state;
    for (size_t first = 0; first <= len; first++)
        for (size_t second = first; second <= len; second++) {
            struct iovec piece[3] = { part(line, first), part(line + first, second - first),
                                      part(line + second, len - second) };

            assert_int_equal(shape(piece, 3, LB_STREAM_STDOUT).severity, LB_LEVEL_WARNING);
        }
}

static void only_the_beginning_of_many_pieces_is_looked_at(void **state)
{
    char filler[LB_SEVERITY_LOOK];
    struct iovec piece[4];

    (void)state;
    memset(filler, ' ', sizeof filler);
    piece[0] = part("2026-01-31 23:59:59", 19);
    piece[1] = part(filler, sizeof filler - 19 - 5);
    piece[2] = part("ERROR", 5);
    piece[3] = part(filler, sizeof filler);
    assert_int_equal(shape(piece, 4, LB_STREAM_STDOUT).severity, LB_LEVEL_ERROR);
    piece[1].iov_len++;
    assert_int_equal(shape(piece, 4, LB_STREAM_STDOUT).severity, LB_LEVEL_NOTICE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_without_a_level_has_that_of_its_stream),
        cmocka_unit_test(a_level_of_its_own_goes_before_that_of_the_stream),
        cmocka_unit_test(an_empty_line_is_dropped_as_blank),
        cmocka_unit_test(pieces_change_nothing),
        cmocka_unit_test(only_the_beginning_of_many_pieces_is_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
