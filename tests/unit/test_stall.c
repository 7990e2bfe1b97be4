/* SPDX-License-Identifier: MIT */
/*
 * No room in the ring: wait, or drop? A sink that answers is waited for, one that is away is not, and one
 * that is silent gets max_stall. Each side reads the clock on its own, so an answer may bear a time that is
 * later than the fast side's look at the clock: that one is as fresh as can be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/capture/parts.h"
#include "common/clock.h"
#include "tests/unit/lib_store.h"

enum { STALL_MS = 25 };
#define START_NS (100 * LB_NS_PER_S)

static struct store store;
static struct lb_loop loop;
static struct lb_link doors;
static struct lb_service_config settings;
static struct lb_capture capture;
static struct lb_stream stream;

/* A full ring's first refusal was at START_NS. */
static int begin(void **state)
{
    (void)state;
    store_begin(&store, 65536, 0, 0);
    loop = (struct lb_loop) { .now_ns = START_NS };
    doors = (struct lb_link) { .last_answer_ns = 0 };
    settings = (struct lb_service_config) { 0 };
    settings.capture.max_stall_ms = STALL_MS;
    settings.capture.overload = LB_OVERLOAD_SHED;
    capture = (struct lb_capture) { .loop = &loop, .ring = &store.ring, .link = &doors };
    capture.stall_timer.due_ns = LB_NEVER;
    stream = (struct lb_stream) { .settings = &settings };
    assert_false(lb_turns_no_room(&capture, &stream, START_NS));
    return 0;
}

static int end(void **state)
{
    (void)state;
    store_end(&store);
    return 0;
}

static bool drops_at(uint64_t ms)
{
    return lb_turns_no_room(&capture, &stream, START_NS + ms * LB_NS_PER_MS);
}

static void a_silent_sink_is_waited_for_as_long_as_max_stall_says(void **state)
{
    (void)state;
    assert_false(drops_at(STALL_MS - 1));
    assert_true(drops_at(STALL_MS));
}

static void a_sink_that_is_away_is_not_waited_for(void **state)
{
    (void)state;
    lb_link_put(&doors.sink_away, 1);
    assert_true(drops_at(1));
}

static void a_sink_that_answered_within_two_seconds_is_waited_for(void **state)
{
    (void)state;
    lb_link_put(&doors.last_answer_ns, START_NS);
    assert_false(drops_at(1999));
    assert_true(drops_at(2000));
}

static void an_answer_of_this_very_moment_is_one(void **state)
{
    (void)state;
    lb_link_put(&doors.last_answer_ns, START_NS + 40 * LB_NS_PER_MS + 1);
    assert_false(drops_at(40));
    assert_true(capture.stall_timer.due_ns <= START_NS + 41 * LB_NS_PER_MS + 2 * LB_NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_silent_sink_is_waited_for_as_long_as_max_stall_says, begin, end),
        cmocka_unit_test_setup_teardown(a_sink_that_is_away_is_not_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(a_sink_that_answered_within_two_seconds_is_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_of_this_very_moment_is_one, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
