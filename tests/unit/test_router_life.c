/* SPDX-License-Identifier: MIT */
/*
 * The router across an agent's life: memory that was damaged, rings of another size, sinks that go, and the
 * end. What was given is not given again, and what was not is still there.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/level.h"
#include "common/loop.h"
#include "tests/unit/lib_route.h"

#define PRIMARY ROUTE_SMALL "[sink other]\n" ROUTE_FILED

/* Lines until a primary that answers nothing has no room. */
static void stall(void)
{
    while (!route.outlet[0].is_stalled) {
        route_put_lines(1, 1000);
        route_copy();
    }
}

/* ---- damage ---- */

static struct lb_record *record_at(uint64_t pos)
{
    const struct lb_ring *ring = &route.rig.files.ring;

    return (struct lb_record *)(void *)(ring->map.data + pos % ring->size);
}

static void break_line(uint64_t pos)
{
    record_at(pos)->check ^= 1;
}

static void a_hole_in_the_ring_is_a_loss_of_the_sink_that_had_not_been_given_it(void **state)
{
    uint64_t hole;

    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(3, 100);
    route_copy();
    hole = route_head();
    route_put_lines(3, 100);
    break_line(hole);
    route_kill();
    route_start(256 * ROUTE_KIB, PRIMARY);
    route_copy();
    assert_int_equal(route_lines(0), 5);
    assert_int_equal(route_missed(0), 1);
}

static void a_cursor_that_lies_in_a_hole_goes_on_behind_it(void **state)
{
    uint64_t before, at;

    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(3, 100);
    before = route_head();
    route_put_lines(1, 100);
    at = route_head();
    route_copy();
    route_put_lines(3, 100);
    break_line(before);
    break_line(at);
    route_kill();
    route_start(256 * ROUTE_KIB, PRIMARY);
    route_copy();
    assert_false(route.router.is_damaged);
    assert_int_equal(route_cursor(0), route_head());
    assert_int_equal(route_lines(0), 6); /* four before, and two behind the hole */
}

static void when_the_end_of_the_ring_is_damaged_nothing_is_copied_twice(void **state)
{
    uint64_t last;

    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(9, 100);
    last = route_head();
    route_put_lines(1, 1000);
    route_copy();
    break_line(last);
    route_kill();
    route_start(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(1, 100);
    route_copy();
    assert_int_equal(route_lines(0), 11);
    assert_int_equal(route_queued(0), 11);
}

static void where_cursors_are_found_anew_it_goes_on_at_the_tail(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(9, 100);
    route_copy();
    route_finish_all();
    route_put_lines(3, 100);
    route.rig.files.ring.header->fast[LB_RING_HEAD] = 12345;
    route_kill();
    route_start(256 * ROUTE_KIB, PRIMARY);
    assert_int_equal(route_cursor(0), route_tail());
    route_copy();
    assert_true(route_lines(0) >= 12);
    assert_int_equal(route.line[route_lines(0) - 1], 12);
}

static void parts_that_do_not_fit_their_record_are_damage(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(1, 100);
    record_at(0)->body_len = 1 << 30;
    route_copy();
    assert_true(route.router.is_damaged);
    assert_int_equal(route_lines(0), 0);
}

/* ---- another ring ---- */

static void a_ring_that_was_set_aside_is_read_to_its_end_first(void **state)
{
    (void)state;
    route_begin(128 * ROUTE_KIB, PRIMARY);
    stall();
    route_put_lines(5, 1000);
    route_finish_all();
    route_kill();
    route_start(256 * ROUTE_KIB, PRIMARY);
    assert_true(route.rig.files.has_old_ring);
    route_put_lines(3, 1000);
    for (unsigned i = 0; i < 100 && route_cursor(0) != route_head(); i++) {
        route_step();
        route.now_ns += ROUTE_SECOND / 50;
        route_answer(0, 0);
    }
    assert_int_equal(route_queued(0), route.rig.lines);
    assert_int_equal(lb_ring_tail(&route.rig.files.old_ring), lb_ring_head(&route.rig.files.old_ring));
}

static void a_ring_that_was_set_aside_stays_where_the_new_one_was_never_made(void **state)
{
    char from[100], to[100];

    (void)state;
    route_begin(128 * ROUTE_KIB, PRIMARY);
    stall();
    route_put_lines(5, 1000);
    route_finish_all();
    route_kill();
    snprintf(from, sizeof from, "%s/ring", route.rig.path);
    snprintf(to, sizeof to, "%s/ring.old", route.rig.path);
    assert_int_equal(rename(from, to), 0); /* killed just behind it */
    route_start(256 * ROUTE_KIB, PRIMARY);
    for (unsigned i = 0; i < 100; i++) {
        route_step();
        route.now_ns += ROUTE_SECOND / 50;
        route_answer(0, 0);
    }
    assert_int_equal(route_queued(0), route.rig.lines);
}

static void while_a_ring_is_drained_what_comes_is_asked_for(void **state)
{
    (void)state;
    route_begin(128 * ROUTE_KIB, PRIMARY);
    route_put_lines(5, 1000);
    route_kill();
    route_start(256 * ROUTE_KIB, PRIMARY);
    assert_true(route.rig.files.has_old_ring);
    route.first.next_ring = &route.rig.files.ring;
    route_step();
    route.now_ns += ROUTE_SECOND / 50;
    for (unsigned i = 0; i < 5; i++) {
        route_step();
        route_answer(0, 0);
    }
    assert_true(lb_link_get(&route.rig.link.slow_wake_pos) <= route_head() + 1);
}

static void a_cursor_of_a_ring_that_is_no_more_begins_at_the_oldest_that_waits(void **state)
{
    char path[100];

    (void)state;
    route_begin(128 * ROUTE_KIB, PRIMARY);
    route_put_lines(5, 100);
    route_copy();
    route_kill();
    snprintf(path, sizeof path, "%s/ring", route.rig.path);
    assert_int_equal(remove(path), 0);
    route_start(128 * ROUTE_KIB, PRIMARY);
    route_put_lines(2, 100);
    route_copy();
    assert_int_equal(route_lines(0), 7);
    assert_int_equal(route.line[6], 7);
}

static void a_sink_that_is_detached_limits_nothing(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    stall();
    lb_outlet_detach(&route.outlet[0]);
    route_copy();
    route_finish_all();
    assert_int_equal(route_tail(), route_head());
    assert_true(lb_router_is_done(&route.router));
}

/* ---- the end ---- */

static void a_stop_does_not_wait_for_a_stalled_sink_that_is_away(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB,
                "[capture]\nmax_line = 4K\njoin_bytes = 4K\noverload = wait\n[sink other]\n" ROUTE_FILED);
    route_fail(0);
    while (!route.outlet[0].is_stalled) {
        route_put_lines(1, 1000);
        route_copy();
    }
    route_step();
    assert_true(lb_outlet_is_done(&route.outlet[0]));
    assert_true(lb_router_is_done(&route.router));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, route_end)
    const struct CMUnitTest tests[] = {
        TEST(a_hole_in_the_ring_is_a_loss_of_the_sink_that_had_not_been_given_it),
        TEST(a_cursor_that_lies_in_a_hole_goes_on_behind_it),
        TEST(when_the_end_of_the_ring_is_damaged_nothing_is_copied_twice),
        TEST(where_cursors_are_found_anew_it_goes_on_at_the_tail),
        TEST(parts_that_do_not_fit_their_record_are_damage),
        TEST(a_ring_that_was_set_aside_is_read_to_its_end_first),
        TEST(a_ring_that_was_set_aside_stays_where_the_new_one_was_never_made),
        TEST(while_a_ring_is_drained_what_comes_is_asked_for),
        TEST(a_cursor_of_a_ring_that_is_no_more_begins_at_the_oldest_that_waits),
        TEST(a_sink_that_is_detached_limits_nothing),
        TEST(a_stop_does_not_wait_for_a_stalled_sink_that_is_away),
    };

    return cmocka_run_group_tests_name("router_life", tests, NULL, NULL);
}
