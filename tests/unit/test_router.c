/* SPDX-License-Identifier: MIT */
/*
 * From the ring to the sinks beside the first one.
 *
 * The story: lines lie in the ring; the router copies each into the queue of each sink that takes it, once,
 * across kills; what a primary has not been given stays in the ring, and a secondary holds nobody up. The
 * first sink is played by hand.
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

#define PRIMARY   ROUTE_SMALL "[sink other]\n" ROUTE_FILED
#define SECONDARY ROUTE_SMALL "[sink other]\nprimary = no\n" ROUTE_FILED

/* ---- copies ---- */

static void a_record_is_copied_once_to_each_sink_that_takes_it(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, ROUTE_SMALL
                "[sink all]\n" ROUTE_FILED "[sink web]\nservices = web-*\ntype = file\npath = /nowhere3\n"
                "[sink bad]\nmin_level = error\nprimary = no\ntype = file\npath = /nowhere4\n");
    route_put("web-1", LB_LEVEL_INFO, 40);
    route_put("db", LB_LEVEL_ERROR, 40);
    route_put("web-2", LB_LEVEL_ERROR, 40);
    route_copy();
    route_copy();
    assert_int_equal(route_lines(0), 3);
    assert_int_equal(route_lines(1), 2);
    assert_int_equal(route.line[0], 1);
    assert_int_equal(route.line[1], 3);
    assert_int_equal(route_lines(2), 2);
    assert_int_equal(route.line[0], 2);
    assert_int_equal(route_queued(0), 3);
}

static void what_was_copied_is_there_once_after_a_kill(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(20, 40);
    route_copy();
    route_kill();
    route_start(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(5, 40);
    route_copy();
    assert_int_equal(route_lines(0), 25);
    assert_int_equal(route_queued(0), 25);
    assert_int_equal(route_cursor(0), route_head());
}

static void a_copy_and_the_place_up_to_which_all_is_copied_become_true_together(void **state)
{
    struct lb_commit *fast = &route.outlet[0].files.state.fast;

    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(20, 40);
    route_copy();
    assert_int_equal(fast->dirty_count, 0);
    assert_int_equal(route_cursor(0), route_head());
    assert_int_equal(lb_ring_head(&route.outlet[0].files.ring),
                     lb_commit_get(fast, LB_FAST_RING, LB_RING_HEAD));
}

static void records_of_our_own_go_to_all_but_what_tells_of_the_firsts_ring(void **state)
{
    struct lb_receipt receipt = { .reason = LB_REASON_SHED, .lines = 7 };
    struct lb_start start = { 0 };

    (void)state;
    route_begin(256 * ROUTE_KIB,
                ROUTE_SMALL "[sink other]\nservices = nobody\nmin_level = error\n" ROUTE_FILED);
    route_put_kind(LB_KIND_START, "logboom", &start, sizeof start);
    for (receipt.reason = 0; receipt.reason < LB_REASON_COUNT; receipt.reason++)
        route_put_kind(LB_KIND_RECEIPT, "logboom", &receipt, sizeof receipt);
    route_copy();
    assert_int_equal(route_kinds(0, LB_KIND_START), 1); /* its own */
    assert_int_equal(route_kinds(0, LB_KIND_RECEIPT), 2);
    receipt.reason = LB_REASON_OVERLOAD;
    route_put_kind(LB_KIND_RECEIPT, "shop", &receipt,
                   sizeof receipt); /* of a service that it does not take */
    route_copy();
    assert_int_equal(route_kinds(0, LB_KIND_RECEIPT), 2);
}

/* ---- what a primary has not been given stays ---- */

/* Lines until a primary that answers nothing has no room. */
static void stall(void)
{
    while (!route.outlet[0].is_stalled) {
        route_put_lines(1, 1000);
        route_copy();
    }
}

static void the_tail_does_not_pass_what_a_primary_has_not_been_given(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    stall();
    route_put_lines(10, 1000);
    route_finish_all();
    assert_int_equal(route_tail(), route_cursor(0));
    assert_true(route_tail() < route_head());
}

static void nor_when_it_passes_without_a_look_at_each_record(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    stall();
    route_put_lines(10, 1000);
    route_pass(route_head());
    assert_int_equal(route_tail(), route_cursor(0));
    lb_outlet_detach(&route.outlet[0]);
    assert_true(route_copy());
    assert_int_equal(route_tail(), route_head());
}

static void a_primary_that_gets_room_goes_on_and_the_tail_follows(void **state)
{
    unsigned before;

    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    stall();
    route_put_lines(10, 1000);
    route_finish_all();
    before = route.rig.lines;
    for (unsigned i = 0; i < 100 && route_tail() < route_head(); i++) {
        route_step();
        route.now_ns += ROUTE_SECOND / 50;
        route_answer(0, 0);
    }
    assert_int_equal(route_tail(), route_head());
    assert_false(route.outlet[0].is_stalled);
    assert_int_equal(route_queued(0), before);
    assert_int_equal(route_missed(0) + route_shed(0), 0);
}

static void the_tail_stays_also_after_a_kill(void **state)
{
    uint64_t tail;

    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    stall();
    route_put_lines(10, 1000);
    route_finish_all();
    tail = route_tail();
    route_kill();
    route_start(256 * ROUTE_KIB, PRIMARY);
    assert_int_equal(route_tail(), tail);
    assert_int_equal(route_cursor(0), tail);
}

static void a_secondary_limits_nothing_and_sheds_its_oldest(void **state)
{
    unsigned there;

    (void)state;
    route_begin(256 * ROUTE_KIB, SECONDARY);
    route_put_lines(150, 1000);
    route_copy();
    route_finish_all();
    assert_int_equal(route_tail(), route_head());
    there = route_lines(0);
    assert_true(there > 20 && there < 64);
    assert_int_equal(route.line[there - 1], 150);
    assert_int_equal(route_shed(0) + route_missed(0) + there, 150);
}

static void a_primary_that_is_away_sheds_as_well_and_holds_nobody(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_fail(0);
    route_put_lines(150, 1000);
    route_copy();
    route_finish_all();
    assert_int_equal(route_tail(), route_head());
    assert_false(route.outlet[0].is_stalled);
    assert_true(route_shed(0) > 50);
}

static void a_record_that_is_large_for_the_queue_finds_room_when_its_sink_is_away(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_fail(0);
    route_put_lines(44, 1000); /* 70 % of its queue: below high water */
    route_copy();
    route_put_lines(1, 20000);
    route_copy();
    assert_false(route.outlet[0].is_stalled);
    assert_int_equal(route_cursor(0), route_head());
    assert_true(route_shed(0) > 0);
}

static void a_record_that_is_large_for_the_queue_of_a_secondary_makes_the_oldest_go(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, SECONDARY);
    route_put_lines(44, 1000);
    route_copy();
    route_put_lines(1, 20000);
    route_copy();
    assert_int_equal(route_missed(0), 0);
    assert_int_equal(route.line[route_lines(0) - 1], 45);
}

static void a_stalled_primary_is_not_asked_over_and_over(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(44, 1000);
    route_copy();
    route_put_lines(1, 20000); /* more than is free, less than a third of it */
    route_step();
    assert_true(route.outlet[0].is_stalled);
    route.now_ns += ROUTE_SECOND / 50;
    route_step();
    assert_true(route.wire[0].is_out);
    assert_true(route_step() > route.now_ns);
}

/* ---- knocks ---- */

#define FEW                                                                                        \
    ROUTE_SMALL "[sink other]\nservices = web\nurgent_wait = 2s\nwait = 60s\ntype = file\npath = " \
                "/nowhere2\n"

/* What an urgent line does: does the fast side knock? */
static bool knocks(const char *service)
{
    bool is_wanted = lb_link_get(&route.rig.link.slow_wants_urgent);

    route_put(service, LB_LEVEL_ERROR, 50);
    lb_link_put(&route.rig.link.slow_wants_urgent,
                0); /* as the fast side does, or the first, which has one */
    return is_wanted;
}

static void urgent_lines_that_are_not_for_a_sink_wake_it_now_and_then(void **state)
{
    unsigned knocked = 0, looked = 0;
    uint64_t due_ns;

    (void)state;
    route_begin(256 * ROUTE_KIB, FEW);
    route.first.pending_lines = 1;
    route.first.has_urgent = true;
    due_ns = route_step();
    for (unsigned ms = 0; ms < 10000; ms += 10) {
        route.now_ns += ROUTE_SECOND / 100;
        if (knocks("shop")) {
            knocked++;
            due_ns = route.now_ns;
        }
        if (due_ns <= route.now_ns) {
            looked++;
            due_ns = route_step();
        }
    }
    assert_in_range(looked, 8, 14);
    assert_in_range(knocked, 0, 2);
    route_put("web", LB_LEVEL_ERROR, 50);
    assert_true(due_ns <= route.now_ns + ROUTE_SECOND);
    route.now_ns += ROUTE_SECOND;
    route_step();
    assert_int_equal(route_lines(0), 1);
}

static void one_that_comes_alone_wakes_it_at_once(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, FEW);
    route.first.pending_lines = 1;
    route.first.has_urgent = true;
    route_step();
    route.now_ns += 2 * ROUTE_SECOND;
    route_step();
    assert_true(knocks("web"));
}

/* ---- losses ---- */

static void what_is_longer_than_a_queue_takes_is_told_there(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, PRIMARY);
    route_put_lines(1, 40000);
    route_put_lines(1, 100);
    route_step();
    assert_int_equal(route_missed(0), 1);
    assert_int_equal(route_queued(0), 1);
    assert_int_equal(route_told(0), 0);
    route.now_ns += ROUTE_SECOND;
    route_copy();
    assert_int_equal(route_told(0), 1);
}

static void a_loss_is_told_once_whenever_the_agent_is_killed(void **state)
{
    (void)state;
    route_begin(256 * ROUTE_KIB, SECONDARY);
    for (unsigned kills = 0; kills < 5; kills++) {
        route_put_lines(1, 40000);
        route_put_lines(1, 100);
        route_copy();
        route_finish_all();
        route_kill();
        route_start(256 * ROUTE_KIB, SECONDARY);
    }
    route_copy();
    route_copy();
    assert_int_equal(route_missed(0), 5);
    assert_int_equal(route_told(0), 5);
}

static void a_receipt_that_finds_no_room_is_told_later(void **state)
{
    struct lb_receipt receipt = { .reason = LB_REASON_OVERLOAD, .lines = 7 };

    (void)state;
    route_begin(256 * ROUTE_KIB, SECONDARY);
    while (lb_ring_room(&route.outlet[0].files.ring) >= 600) {
        unsigned at = lb_ring_room(&route.outlet[0].files.ring) > 3000 ? 1000 : 100;

        route_put_lines(1, at);
        route.outlet[0].shipper.is_best_effort = false; /* so that none is shed */
        route_copy();
    }
    while (lb_ring_room(&route.outlet[0].files.ring) >= 200) {
        route_put_lines(1, 8);
        route_copy();
    }
    route_put_kind(LB_KIND_RECEIPT, "logboom", &receipt, sizeof receipt);
    route_copy();
    assert_int_equal(route_kinds(0, LB_KIND_RECEIPT), 0);
    for (unsigned i = 0; i < 20; i++) {
        route_step();
        route.now_ns += ROUTE_SECOND / 10;
        if (route_kinds(0, LB_KIND_RECEIPT) == 0)
            route_answer(0, 0);
    }
    assert_int_equal(route_told(0), 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, route_end)
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_copied_once_to_each_sink_that_takes_it),
        TEST(what_was_copied_is_there_once_after_a_kill),
        TEST(a_copy_and_the_place_up_to_which_all_is_copied_become_true_together),
        TEST(records_of_our_own_go_to_all_but_what_tells_of_the_firsts_ring),
        TEST(the_tail_does_not_pass_what_a_primary_has_not_been_given),
        TEST(nor_when_it_passes_without_a_look_at_each_record),
        TEST(a_primary_that_gets_room_goes_on_and_the_tail_follows),
        TEST(the_tail_stays_also_after_a_kill),
        TEST(a_secondary_limits_nothing_and_sheds_its_oldest),
        TEST(a_primary_that_is_away_sheds_as_well_and_holds_nobody),
        TEST(a_record_that_is_large_for_the_queue_finds_room_when_its_sink_is_away),
        TEST(a_record_that_is_large_for_the_queue_of_a_secondary_makes_the_oldest_go),
        TEST(a_stalled_primary_is_not_asked_over_and_over),
        TEST(urgent_lines_that_are_not_for_a_sink_wake_it_now_and_then),
        TEST(one_that_comes_alone_wakes_it_at_once),
        TEST(what_is_longer_than_a_queue_takes_is_told_there),
        TEST(a_loss_is_told_once_whenever_the_agent_is_killed),
        TEST(a_receipt_that_finds_no_room_is_told_later),
    };

    return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
