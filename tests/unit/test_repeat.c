/* SPDX-License-Identifier: MIT */
/* Errors that come again: which are folded, how they are counted and told, and who gives way when rows run
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/shape/repeat.h"

#define SECOND 1000000000ull
#define WINDOW (600 * SECOND)

static struct lb_commit commit;
static struct lb_commit_block *block;
static uint64_t shared[LB_REPEATS * LB_REPEAT_WORDS];

static void open_table(void)
{
    lb_commit_init(&commit, block, NULL, NULL);
    assert_int_equal(lb_commit_region(&commit, LB_FAST_REPEATS, shared, LB_REPEATS * LB_REPEAT_WORDS), 0);
    lb_commit_recover(&commit);
}

static int begin(void **state)
{
    (void)state;
    memset(shared, 0, sizeof shared);
    block = calloc(1, sizeof *block);
    open_table();
    return 0;
}

static int end(void **state)
{
    (void)state;
    lb_commit_close(&commit);
    free(block);
    return 0;
}

static uint64_t window(void *arg, uint32_t service_ix)
{
    (void)arg;
    return service_ix == 9 ? 0 : WINDOW;
}

static enum lb_repeat_verdict look(uint64_t fingerprint, uint64_t now_ns)
{
    return lb_repeat_look(&commit, 3, fingerprint, WINDOW, now_ns);
}

static void seen(uint64_t fingerprint, uint64_t now_ns)
{
    lb_repeat_seen(&commit, 3, fingerprint, 3, "KeyError", 8, now_ns);
    lb_commit_publish(&commit);
}

static void count(uint64_t fingerprint, uint64_t now_ns)
{
    lb_repeat_count(&commit, 3, fingerprint, 5, 100, now_ns);
    lb_commit_publish(&commit);
}

static bool next(uint32_t *row, uint64_t now_ns, bool all, struct lb_repeat_due *due, uint64_t *next_ns)
{
    return lb_repeat_next(&commit, row, window, NULL, now_ns, all, due, next_ns);
}

static void the_first_is_new_the_next_is_folded_and_after_the_window_it_is_whole_again(void **state)
{
    (void)state;
    assert_int_equal(look(77, SECOND), LB_REPEAT_NEW);
    seen(77, SECOND);
    assert_int_equal(look(77, WINDOW), LB_REPEAT_FOLD);
    assert_int_equal(look(77, SECOND + WINDOW), LB_REPEAT_AGAIN);
    assert_int_equal(look(78, SECOND), LB_REPEAT_NEW);
}

static void another_service_has_its_own(void **state)
{
    (void)state;
    seen(77, SECOND);
    assert_int_equal(lb_repeat_look(&commit, 4, 77, WINDOW, SECOND), LB_REPEAT_NEW);
}

static void what_was_folded_is_told_once_when_its_window_is_over(void **state)
{
    struct lb_repeat_due due;
    uint64_t next_ns = 0;
    uint32_t row = 0;

    (void)state;
    seen(77, SECOND);
    for (uint64_t i = 2; i < 50; i++)
        count(77, i * SECOND);
    assert_false(next(&row, 60 * SECOND, false, &due, &next_ns));
    assert_int_equal(next_ns, SECOND + WINDOW);
    row = 0;
    assert_true(next(&row, SECOND + WINDOW, false, &due, &next_ns));
    assert_int_equal(due.body.count, 48);
    assert_int_equal(due.body.lines, 48 * 5);
    assert_int_equal(due.body.bytes, 48 * 100);
    assert_int_equal(due.body.first_ns, 2 * SECOND);
    assert_int_equal(due.body.last_ns, 49 * SECOND);
    assert_int_equal(due.body.fingerprint, 77);
    assert_int_equal(due.service_ix, 3);
    assert_int_equal(due.severity, 3);
    assert_int_equal(due.body.kind_len, 8);
    assert_memory_equal(due.body.kind, "KeyError", 8);
    lb_repeat_told(&commit, row);
    row = 0;
    assert_false(next(&row, SECOND + WINDOW, false, &due, &next_ns));
    assert_int_equal(next_ns, UINT64_MAX);
    assert_int_equal(look(77, SECOND + WINDOW), LB_REPEAT_AGAIN); /* told, and known */
}

static void one_that_is_older_than_what_was_counted_moves_the_begin(void **state)
{
    struct lb_repeat_due due;
    uint64_t next_ns = 0;
    uint32_t row = 0;

    (void)state;
    seen(77, SECOND);
    count(77, 5 * SECOND);
    count(77, 3 * SECOND);
    assert_true(next(&row, 6 * SECOND, true, &due, &next_ns));
    assert_int_equal(due.body.first_ns, 3 * SECOND);
    assert_int_equal(due.body.last_ns, 5 * SECOND);
    lb_repeat_told(&commit, row);
    count(77, 2 * SECOND); /* what was told does not count here */
    row = 0;
    assert_true(next(&row, 6 * SECOND, true, &due, &next_ns));
    assert_int_equal(due.body.first_ns, 2 * SECOND);
    assert_int_equal(due.body.last_ns, 2 * SECOND);
}

static void the_agent_stops_and_tells_windows_that_are_open(void **state)
{
    struct lb_repeat_due due;
    uint64_t next_ns = 0;
    uint32_t row = 0;

    (void)state;
    seen(77, SECOND);
    count(77, 2 * SECOND);
    assert_true(next(&row, 3 * SECOND, true, &due, &next_ns));
}

static void a_count_survives_a_kill_and_one_that_was_not_published_did_not_happen(void **state)
{
    struct lb_repeat_due due;
    uint64_t next_ns = 0;
    uint32_t row = 0;

    (void)state;
    seen(77, SECOND);
    count(77, 2 * SECOND);
    lb_repeat_count(&commit, 3, 77, 5, 100, 3 * SECOND);
    lb_commit_close(&commit);
    open_table();
    assert_true(next(&row, 3 * SECOND, true, &due, &next_ns));
    assert_int_equal(due.body.count, 1);
}

static void when_rows_run_out_the_oldest_goes_and_never_one_that_has_something_to_tell(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= LB_REPEATS; i++)
        seen(i, i * SECOND);
    count(1, 200 * SECOND);
    seen(1000, 300 * SECOND);
    assert_int_equal(look(1, 300 * SECOND), LB_REPEAT_FOLD);
    assert_int_equal(look(2, 300 * SECOND), LB_REPEAT_NEW);
    assert_int_equal(look(1000, 300 * SECOND), LB_REPEAT_FOLD);
}

static void when_all_have_something_to_tell_another_one_is_not_remembered(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= LB_REPEATS; i++) {
        seen(i, i * SECOND);
        count(i, i * SECOND + 1);
    }
    seen(1000, 300 * SECOND);
    assert_int_equal(look(1000, 300 * SECOND), LB_REPEAT_NEW);
    count(1000, 301 * SECOND); /* nowhere to count it: it was never folded either */
}

static void a_name_that_is_too_long_is_cut(void **state)
{
    static const char name[] =
        "a.very.long.module.path.that.goes.on.and.on.until.it.is.longer.than.its.room.Error";
    struct lb_repeat_due due;
    uint64_t next_ns = 0;
    uint32_t row = 0;

    (void)state;
    lb_repeat_seen(&commit, 3, 5, 2, name, sizeof name - 1, SECOND);
    count(5, SECOND);
    assert_true(next(&row, SECOND, true, &due, &next_ns));
    assert_int_equal(due.body.kind_len, LB_OWN_NAME_BYTES);
    assert_memory_equal(due.body.kind, name, LB_OWN_NAME_BYTES);
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CLAIM(the_first_is_new_the_next_is_folded_and_after_the_window_it_is_whole_again),
        CLAIM(another_service_has_its_own),
        CLAIM(what_was_folded_is_told_once_when_its_window_is_over),
        CLAIM(one_that_is_older_than_what_was_counted_moves_the_begin),
        CLAIM(the_agent_stops_and_tells_windows_that_are_open),
        CLAIM(a_count_survives_a_kill_and_one_that_was_not_published_did_not_happen),
        CLAIM(when_rows_run_out_the_oldest_goes_and_never_one_that_has_something_to_tell),
        CLAIM(when_all_have_something_to_tell_another_one_is_not_remembered),
        CLAIM(a_name_that_is_too_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
