/* SPDX-License-Identifier: MIT */
/*
 * Records that say the same, one after the other.
 *
 * The story: a service says a thing, and says it again and again. The first one is sent, the others are
 * counted, and told when it says something else, or half a minute is over.
 */
#include "agent/shape/collapse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_throttle.h"

#define WINDOW (30 * SECOND)

static struct lb_collapse last;
static uint64_t now_ns;

static int begin(void **state)
{
    throttle_begin(state);
    last = (struct lb_collapse) { 0 };
    now_ns = 1000 * SECOND;
    return 0;
}

/* Say it; true: it was counted. */
static bool say(const char *text, int severity)
{
    struct lb_collapse_again again = { .key = 9,
                                       .hash = lb_collapse_hash(text, strlen(text), severity),
                                       .service_ix = 4,
                                       .severity = severity,
                                       .lines = 1,
                                       .bytes = strlen(text),
                                       .now_ns = now_ns,
                                       .due_ns = last.due_ns,
                                       .text = text,
                                       .len = strlen(text) };
    bool is_again = lb_collapse_is_again(&last, &throttle_commit, 9, again.hash, now_ns);

    if (is_again)
        lb_collapse_count(&throttle_commit, &again);
    else
        lb_collapse_begin(&last, 9, again.hash, WINDOW, now_ns);
    lb_commit_publish(&throttle_commit);
    return is_again;
}

static uint64_t counted(void)
{
    struct lb_collapse_due due;
    uint32_t row;

    return lb_collapse_of(&throttle_commit, 9, &row, &due) ? due.body.count : 0;
}

static void the_first_is_sent_and_the_others_are_counted(void **state)
{
    struct lb_collapse_due due;
    uint32_t row;

    (void)state;
    assert_false(say("link down", 4));
    now_ns += SECOND;
    assert_true(say("link down", 4));
    now_ns += SECOND;
    assert_true(say("link down", 4));
    assert_true(lb_collapse_of(&throttle_commit, 9, &row, &due));
    assert_int_equal(due.body.count, 2);
    assert_int_equal(due.body.lines, 2);
    assert_int_equal(due.body.bytes, 18);
    assert_int_equal(due.body.first_ns, 1001 * SECOND);
    assert_int_equal(due.body.last_ns, 1002 * SECOND);
    assert_int_equal(due.body.fingerprint, 0);
    assert_int_equal(due.service_ix, 4);
    assert_int_equal(due.severity, 4);
    assert_memory_equal(due.body.kind, "link down", due.body.kind_len);
}

static void one_that_is_older_than_what_was_counted_moves_the_begin(void **state)
{
    struct lb_collapse_due due;
    uint32_t row;

    (void)state;
    assert_false(say("link down", 4));
    now_ns += 5 * SECOND;
    assert_true(say("link down", 4));
    now_ns -= 2 * SECOND;
    assert_true(say("link down", 4));
    assert_true(lb_collapse_of(&throttle_commit, 9, &row, &due));
    assert_int_equal(due.body.first_ns, 1003 * SECOND);
    assert_int_equal(due.body.last_ns, 1005 * SECOND);
}

static void only_neighbours_are_the_same(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_false(say("B", 6));
        assert_false(say("A", 6));
    }
}

static void another_severity_is_another_record(void **state)
{
    (void)state;
    assert_false(say("x failed", 6));
    assert_false(say("x failed", 3));
}

static void a_time_stamp_in_front_does_not_count(void **state)
{
    struct lb_collapse_due due;
    uint32_t row;

    (void)state;
    assert_false(say("2026-01-15 10:00:00,001 INFO Body of the log", 6));
    assert_true(say("2026-01-15 10:01:00,001 INFO Body of the log", 6));
    assert_true(lb_collapse_of(&throttle_commit, 9, &row, &due));
    assert_memory_equal(due.body.kind, "INFO Body of the log", due.body.kind_len);
    lb_collapse_told(&throttle_commit, row);
    assert_false(say("[15/Jan/2026 10:00:00] \"GET / HTTP/1.1\" 200", 6));
    assert_true(say("[15/Jan/2026 10:00:01] \"GET / HTTP/1.1\" 200", 6));
}

static void the_window_begins_with_the_one_that_was_sent(void **state)
{
    (void)state;
    assert_false(say("x", 6));
    now_ns += WINDOW - 1;
    assert_true(say("x", 6));
    now_ns += 1;
    assert_false(say("x", 6));
}

static void a_count_is_told_when_the_window_ends(void **state)
{
    struct lb_collapse_due due;
    uint64_t next_ns = 0;
    uint32_t row = 0;

    (void)state;
    say("x", 6);
    say("x", 6);
    assert_false(lb_collapse_next(&throttle_commit, &row, now_ns, false, &due, &next_ns));
    assert_int_equal(next_ns, now_ns + WINDOW);
    row = 0;
    assert_true(lb_collapse_next(&throttle_commit, &row, now_ns + WINDOW, false, &due, &next_ns));
    assert_int_equal(due.body.count, 1);
    lb_collapse_told(&throttle_commit, row);
    assert_false(lb_collapse_next(&throttle_commit, &row, now_ns + WINDOW, true, &due, &next_ns));
}

static void a_count_survives_a_kill_and_is_told_once(void **state)
{
    struct lb_collapse_due due;
    uint64_t next_ns;
    uint32_t row = 0;

    (void)state;
    say("x", 6);
    say("x", 6);
    throttle_restart();
    assert_int_equal(counted(), 1);
    assert_true(lb_collapse_next(&throttle_commit, &row, now_ns, true, &due, &next_ns));
    lb_collapse_told(&throttle_commit, row);
    throttle_restart(); /* before the publish: it is told again, with its record */
    assert_int_equal(counted(), 1);
    lb_collapse_told(&throttle_commit, row);
    lb_commit_publish(&throttle_commit);
    throttle_restart();
    assert_int_equal(counted(), 0);
}

static void what_cannot_be_counted_is_sent(void **state)
{
    (void)state;
    for (uint64_t key = 100; key < 100 + LB_COLLAPSES; key++) {
        struct lb_collapse_again again = { .key = key, .hash = 1, .lines = 1, .text = "", .len = 0 };

        lb_collapse_count(&throttle_commit, &again);
        lb_commit_publish(&throttle_commit);
    }
    assert_false(say("x", 6));
    assert_false(say("x", 6));
}

static void what_is_said_is_cut_between_characters_and_at_the_end_of_the_line(void **state)
{
    char text[80];
    struct lb_collapse_due due;
    uint32_t row;

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + LB_OWN_NAME_BYTES - 1, "\xc3\xa4", 2);
    text[79] = '\0';
    say(text, 6);
    say(text, 6);
    assert_true(lb_collapse_of(&throttle_commit, 9, &row, &due));
    assert_int_equal(due.body.kind_len, LB_OWN_NAME_BYTES - 1);
    lb_collapse_told(&throttle_commit, row);
    say("one\ntwo", 6);
    say("one\ntwo", 6);
    assert_true(lb_collapse_of(&throttle_commit, 9, &row, &due));
    assert_int_equal(due.body.kind_len, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, throttle_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_is_sent_and_the_others_are_counted),
        TEST(one_that_is_older_than_what_was_counted_moves_the_begin),
        TEST(only_neighbours_are_the_same),
        TEST(another_severity_is_another_record),
        TEST(a_time_stamp_in_front_does_not_count),
        TEST(the_window_begins_with_the_one_that_was_sent),
        TEST(a_count_is_told_when_the_window_ends),
        TEST(a_count_survives_a_kill_and_is_told_once),
        TEST(what_cannot_be_counted_is_sent),
        TEST(what_is_said_is_cut_between_characters_and_at_the_end_of_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
