/* SPDX-License-Identifier: MIT */
/*
 * Lines through the shaping steps: where records end, by lines and by bounds, and what becomes of each. A
 * record is told as "first-last" with a '!' where it is a part of something longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/shape/pipeline.h"
#include "agent/shape/repeat.h"

#define LINES_MAX 64
#define SECOND    1000000000ull

static struct lb_capture_config settings;
static struct lb_commit commit;
static struct lb_commit_block *block;
static uint64_t repeats[LB_REPEATS * LB_REPEAT_WORDS];
static char told[512], room[8192];
static struct lb_shape_output out;

static int begin(void **state)
{
    (void)state;
    settings = (struct lb_capture_config) { .stdout_level = LB_LEVEL_NOTICE,
                                            .stderr_level = LB_LEVEL_ERROR,
                                            .multiline = LB_JOIN_PYTHON,
                                            .join_bytes = 4096,
                                            .join_lines = 100,
                                            .repeat_window_ms = 600000 };
    memset(repeats, 0, sizeof repeats);
    block = calloc(1, sizeof *block);
    lb_commit_init(&commit, block, NULL, NULL);
    assert_int_equal(lb_commit_region(&commit, LB_FAST_REPEATS, repeats, LB_REPEATS * LB_REPEAT_WORDS), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    lb_commit_close(&commit);
    free(block);
    return 0;
}

/* One text as a record of its own. */
static const struct lb_shape_output *shaped(const char *text, enum lb_stream_kind kind, uint64_t now_ns)
{
    static char copy[4096];
    struct lb_shape shape;
    struct lb_shape_input in = {
        .text = copy, .len = strlen(text), .may_change = true, .room = room, .kind = kind, .boot_ns = now_ns
    };

    strcpy(copy, text);
    lb_shape_message(&shape, copy, in.len, -1);
    lb_shape_record(&shape, &(struct lb_shape_settings) { .capture = &settings },
                    &(struct lb_shape_tables) { .commit = &commit }, &in, &out);
    return &out;
}

/* ---- what a record is ---- */

static void a_line_without_a_level_has_that_of_its_stream(void **state)
{
    (void)state;
    assert_int_equal(shaped("pump is on", LB_STREAM_STDOUT, 1)->severity, LB_LEVEL_NOTICE);
    assert_int_equal(shaped("pump is on", LB_STREAM_STDIN, 1)->severity, LB_LEVEL_NOTICE);
    assert_int_equal(shaped("pump is on", LB_STREAM_STDERR, 1)->severity, LB_LEVEL_ERROR);
    assert_int_equal(out.verdict, LB_SHAPE_QUEUE);
}

static void a_level_of_its_own_goes_before_that_of_the_stream(void **state)
{
    (void)state;
    assert_int_equal(shaped("DEBUG:root:x", LB_STREAM_STDERR, 1)->severity, LB_LEVEL_DEBUG);
}

static void what_the_input_says_goes_before_both(void **state)
{
    struct lb_shape shape;

    (void)state;
    lb_shape_message(&shape, "DEBUG:root:x", 12, LB_LEVEL_CRITICAL);
    assert_int_equal(shape.first.level, LB_LEVEL_CRITICAL);
}

static void a_prefix_in_angles_leaves_every_line_and_nothing_else_does(void **state)
{
    (void)state;
    shaped("<3>one <4>\n<3>two\nthree", LB_STREAM_STDOUT, 1);
    assert_int_equal(out.severity, LB_LEVEL_ERROR);
    assert_int_equal(out.len, strlen("one <4>\ntwo\nthree"));
    assert_memory_equal(out.text, "one <4>\ntwo\nthree", out.len);
}

static void colours_go_or_stay_and_the_level_is_read_either_way(void **state)
{
    static const char line[] = "\033[31mERROR:x:hot\033[0m";

    (void)state;
    shaped(line, LB_STREAM_STDOUT, 1);
    assert_int_equal(out.severity, LB_LEVEL_ERROR);
    assert_int_equal(out.len, strlen("ERROR:x:hot"));
    assert_memory_equal(out.text, "ERROR:x:hot", out.len);
    settings.ansi = LB_ANSI_KEEP;
    shaped(line, LB_STREAM_STDOUT, 1);
    assert_int_equal(out.severity, LB_LEVEL_ERROR);
    assert_int_equal(out.len, strlen(line));
    assert_memory_equal(out.text, line, out.len);
}

static void trace_ids_are_found_where_they_are_after_colours_have_gone(void **state)
{
    (void)state;
    shaped("{\"level\":\"warning\",\"dd.trace_id\":\"123\",\"dd.span_id\":\"45\"}", LB_STREAM_STDOUT, 1);
    assert_true(out.extra.has_trace);
    assert_memory_equal(out.text + out.extra.trace.trace_id.at, "123", 3);
    assert_int_equal(out.extra.trace.span_id.len, 2);
    shaped("\033[1mINFO:x:[dd.trace_id=77 dd.span_id=8]\033[0m", LB_STREAM_STDOUT, 1);
    assert_true(out.extra.has_trace);
    assert_memory_equal(out.text + out.extra.trace.trace_id.at, "77", 2);
    assert_true(out.extra.trace.trace_id.at + out.extra.trace.trace_id.len <= out.len);
}

static const char traceback[] = "Traceback (most recent call last):\n"
                                "  File \"/opt/a.py\", line 3, in read\n"
                                "    x()\n"
                                "KeyError: 'v'";

static void a_traceback_is_at_least_an_error_and_understood(void **state)
{
    (void)state;
    shaped(traceback, LB_STREAM_STDOUT, 1);
    assert_int_equal(out.severity, LB_LEVEL_ERROR);
    assert_true(out.extra.has_error && out.is_new);
    assert_memory_equal(out.text + out.extra.error.kind.at, "KeyError", 8);
    assert_memory_equal(out.text + out.extra.error.message.at, "'v'", 3);
    shaped("Fatal Python error: Segmentation fault\n\nCurrent thread 0x01 (most recent call first):\n"
           "  File \"/opt/a.py\", line 3 in read",
           LB_STREAM_STDERR, 1);
    assert_int_equal(out.severity, LB_LEVEL_CRITICAL);
}

/* ---- errors that come again ---- */

static void note(uint64_t now_ns)
{
    lb_repeat_seen(&commit, 0, out.extra.error.fingerprint, out.severity, "KeyError", 8, now_ns);
}

static void the_same_error_is_folded_within_the_window_and_whole_after_it(void **state)
{
    (void)state;
    assert_int_equal(shaped(traceback, LB_STREAM_STDERR, SECOND)->verdict, LB_SHAPE_QUEUE);
    assert_true(out.is_new);
    note(SECOND);
    assert_int_equal(shaped(traceback, LB_STREAM_STDERR, 600 * SECOND)->verdict, LB_SHAPE_REPEAT);
    assert_int_equal(shaped(traceback, LB_STREAM_STDERR, 601 * SECOND)->verdict, LB_SHAPE_QUEUE);
    assert_false(out.is_new); /* it was seen, though long ago */
}

static void with_repeat_window_off_every_error_is_queued(void **state)
{
    (void)state;
    settings.repeat_window_ms = 0;
    shaped(traceback, LB_STREAM_STDERR, SECOND);
    note(SECOND);
    assert_int_equal(shaped(traceback, LB_STREAM_STDERR, SECOND)->verdict, LB_SHAPE_QUEUE);
}

/* ---- where records end ---- */

static void tell(const struct lb_shape *shape, unsigned first)
{
    char one[32];

    snprintf(one, sizeof one, "%s%u-%u%s", told[0] ? " " : "", first, first + shape->lines - 1,
             shape->is_full || shape->is_continued ? "!" : "");
    strcat(told, one);
}

/* Show lines as their owner does, and tell the records; what is open in the end is closed. */
static const char *records_of(const char *text)
{
    static struct lb_shape shape;
    const char *line[LINES_MAX];
    unsigned lines = 0, first = 0, next = 0;

    for (const char *at = text; *at; at = strchr(at, '\n') + 1)
        line[lines++] = at;
    memset(&shape, 0, sizeof shape);
    told[0] = '\0';
    while (next < lines || shape.lines + shape.held > 0) {
        size_t len = next < lines ? (size_t)(strchr(line[next], '\n') - line[next]) : 0;
        enum lb_shape_step step = next < lines
                                      ? lb_shape_line(&shape, &settings, line[next], len, (uint32_t)len + 1)
                                      : LB_SHAPE_CLOSE;

        next += step == LB_SHAPE_KEEP;
        if (step == LB_SHAPE_BLANK)
            first = ++next;
        if (step != LB_SHAPE_CLOSE)
            continue;
        if (shape.lines > 0)
            tell(&shape, first + 1);
        next = first += shape.lines;
        lb_shape_closed(&shape);
    }
    return told;
}

static void ordinary_lines_are_records_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(records_of("one\ntwo\nINFO:root:three\n"), "1-1 2-2 3-3");
}

static void blank_lines_are_part_of_nothing(void **state)
{
    (void)state;
    assert_string_equal(records_of("\none\n\n\ntwo\n\n"), "2-2 5-5");
}

static void a_traceback_is_one_record_with_the_error_before_it(void **state)
{
    (void)state;
    assert_string_equal(records_of("INFO:root:a\nERROR:root:b\nTraceback (most recent call last):\n"
                                   "  File \"a.py\", line 1, in f\n    x()\nKeyError: 1\nINFO:root:c\n"),
                        "1-1 2-6 7-7");
}

static void lines_that_were_held_for_nothing_are_records_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(
        records_of("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    x()\n"
                   "KeyError: 1\n\nall is well\n\nINFO:root:c\n"),
        "1-4 6-6 8-8");
}

static void off_joins_nothing_and_indent_only_what_is_indented(void **state)
{
    (void)state;
    settings.multiline = LB_JOIN_OFF;
    assert_string_equal(records_of("a\n  b\nTraceback (most recent call last):\n  x\n"), "1-1 2-2 3-3 4-4");
    settings.multiline = LB_JOIN_INDENT;
    assert_string_equal(records_of("a\n  b\n\tc\nd\n"), "1-3 4-4");
}

static void a_join_is_cut_at_its_lines_and_each_part_says_so(void **state)
{
    (void)state;
    settings.join_lines = 3;
    assert_string_equal(records_of("a\n  1\n  2\n  3\n  4\nb\n"), "1-3! 4-5! 6-6");
}

static void a_record_that_has_just_room_enough_is_not_cut(void **state)
{
    (void)state;
    settings.join_lines = 3;
    assert_string_equal(records_of("a\n  1\n  2\nb\n"), "1-3 4-4");
    settings.join_bytes = 10;
    assert_string_equal(records_of("0123456789\nb\n"), "1-1 2-2");
}

static void a_join_is_cut_at_its_bytes_and_never_longer(void **state)
{
    (void)state;
    settings.join_bytes = 256;
    settings.multiline = LB_JOIN_INDENT;
    assert_string_equal(
        records_of("a\n"
                   "  0123456789012345678901234567890123456789012345678901234567890123456789\n"
                   "  0123456789012345678901234567890123456789012345678901234567890123456789\n"
                   "  0123456789012345678901234567890123456789012345678901234567890123456789\n"
                   "  0123456789012345678901234567890123456789012345678901234567890123456789\n"
                   "b\n"),
        "1-4! 5-5! 6-6");
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CLAIM(a_line_without_a_level_has_that_of_its_stream),
        CLAIM(a_level_of_its_own_goes_before_that_of_the_stream),
        CLAIM(what_the_input_says_goes_before_both),
        CLAIM(a_prefix_in_angles_leaves_every_line_and_nothing_else_does),
        CLAIM(colours_go_or_stay_and_the_level_is_read_either_way),
        CLAIM(trace_ids_are_found_where_they_are_after_colours_have_gone),
        CLAIM(a_traceback_is_at_least_an_error_and_understood),
        CLAIM(the_same_error_is_folded_within_the_window_and_whole_after_it),
        CLAIM(with_repeat_window_off_every_error_is_queued),
        CLAIM(ordinary_lines_are_records_of_their_own),
        CLAIM(blank_lines_are_part_of_nothing),
        CLAIM(a_traceback_is_one_record_with_the_error_before_it),
        CLAIM(lines_that_were_held_for_nothing_are_records_of_their_own),
        CLAIM(off_joins_nothing_and_indent_only_what_is_indented),
        CLAIM(a_join_is_cut_at_its_lines_and_each_part_says_so),
        CLAIM(a_record_that_has_just_room_enough_is_not_cut),
        CLAIM(a_join_is_cut_at_its_bytes_and_never_longer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
