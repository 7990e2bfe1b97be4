/* SPDX-License-Identifier: MIT */
/*
 * The shipper's days: when a body leaves, what an answer does, how a sink that fails is asked again. Stories
 * of a sink that is away for long, of reload, stop and a ring set aside are in test_shipper_away.c; a random
 * life is in test_shipper_life.c.
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

#include "tests/unit/lib_ship.h"

#define KIB   1024
#define FILED "[sink out]\ntype = file\npath = /nowhere\n"
#define MS    1000000ull

static uint64_t tail(void)
{
    return lb_ring_tail(&ship.rig.files.ring);
}

static uint64_t head(void)
{
    return lb_ring_head(&ship.rig.files.ring);
}

/* Lines, two to a service, so that bodies of two may be on their way side by side. */
static void put_pairs(unsigned lines)
{
    char service[16];

    for (unsigned i = 0; i < lines; i++) {
        snprintf(service, sizeof service, "pair-%u", i / 2);
        ship_put_as(service, LB_LEVEL_INFO, 20);
    }
}

static void a_body_leaves_at_the_device_s_beat_when_its_first_record_has_waited(void **state)
{
    uint64_t due;

    (void)state;
    ship_begin(64 * KIB, FILED "wait = 15s\n");
    assert_true(ship.due_ns == LB_NEVER);
    ship_put(LB_LEVEL_INFO, 20);
    due = lb_retry_beat_ns(ship.now_ns, 15 * SHIP_SECOND, 0);
    assert_in_range(due - ship.now_ns, 15 * SHIP_SECOND / 2, 15 * SHIP_SECOND);
    ship_pass(5 * SHIP_SECOND);
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(due - 1 - ship.now_ns);
    assert_int_equal(ship_count(), 0);
    ship_pass(1);
    assert_int_equal(ship_count(), 1);
    assert_int_equal(ship_lines(ship_first()), 2);
    ship_answer(ship_first(), 0);
    assert_int_equal(tail(), head());
    assert_true(ship.due_ns == LB_NEVER);
}

/* Devices that were switched on together have their first bodies apart, and with them all that follow. */
static void just_after_a_start_a_record_is_due_at_the_end_of_the_splay(void **state)
{
    uint64_t splay_ns;

    (void)state;
    ship_begin(64 * KIB, FILED "wait = 15s\n");
    ship_kill();
    ship.keeps_splay = true;
    ship_start();
    splay_ns = ship.shipper.splay_until_ns;
    assert_in_range(splay_ns - ship.now_ns, 1, 15 * SHIP_SECOND);
    ship_step();
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(splay_ns - ship.now_ns - 1);
    assert_int_equal(ship_count(), 0);
    ship_pass(1);
    assert_int_equal(ship_count(), 1);
}

static void an_urgent_record_takes_along_what_is_before_it(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "wait = 15s\nurgent_wait = 2s\n");
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(5 * SHIP_SECOND);
    ship_put(LB_LEVEL_ERROR, 20);
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(2 * SHIP_SECOND - 1);
    assert_int_equal(ship_count(), 0);
    ship_pass(1);
    assert_int_equal(ship_lines(ship_first()), 3);
}

static void a_full_body_leaves_at_once(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 3\n");
    for (int i = 0; i < 3; i++)
        ship_put(LB_LEVEL_INFO, 20);
    ship_pass(0);
    assert_int_equal(ship_count(), 1);
    ship_end(state);
    ship_begin(256 * KIB, FILED "body_bytes = 16K\n");
    for (int i = 0; i < 16; i++)
        ship_put(LB_LEVEL_INFO, 1000);
    ship_pass(0);
    assert_int_equal(ship_count(), 1);
}

static void what_did_not_fit_into_a_body_keeps_its_timer(void **state)
{
    (void)state;
    ship_begin(256 * KIB, FILED "body_bytes = 16K\nwait = 10s\n");
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(4 * SHIP_SECOND);
    /* Quotes double: by its guess the body is not full, by its text it is. */
    for (int i = 0; i < 8; i++) {
        char text[1500];

        memset(text, '"', sizeof text);
        assert_int_equal(rig_put_text(&ship.rig, "shop", NULL, LB_LEVEL_INFO, text, sizeof text), 0);
    }
    ship_step();
    ship_pass(6 * SHIP_SECOND);
    assert_int_equal(ship_count(), 1); /* with the same service in it, the rest waits for its answer … */
    ship_answer(ship_first(), 0);
    assert_int_equal(ship_count(), 1); /* … but not for another 10 s */
}

static void two_bodies_are_on_their_way_in_the_ring_s_order(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 2\nconcurrency = 2\n");
    put_pairs(9);
    ship_pass(0);
    assert_int_equal(ship_count(), 2);
    assert_int_equal(ship_first_line(ship_first()), 1);
    assert_int_equal(ship_first_line(ship_last()), 3);
    ship_answer(ship_first(), 0);
    assert_int_equal(ship_count(), 2);
    assert_int_equal(ship_first_line(ship_last()), 5);
}

static void a_service_never_has_two_bodies_on_their_way(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 2\nconcurrency = 4\n");
    for (int i = 0; i < 4; i++)
        ship_put(LB_LEVEL_INFO, 20);
    ship_put_as("till", LB_LEVEL_INFO, 20);
    ship_put_as("till", LB_LEVEL_INFO, 20);
    ship_pass(0);
    assert_int_equal(ship_count(), 1); /* nor does till overtake what is before it */
    ship_answer(ship_first(), 0);
    assert_int_equal(ship_count(), 2);
    assert_int_equal(ship_first_line(ship_first()), 3);
    assert_int_equal(ship_first_line(ship_last()), 5);
}

static void answers_out_of_order_release_in_order(void **state)
{
    uint64_t third;

    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 2\nconcurrency = 3\n");
    put_pairs(6);
    ship_pass(0);
    third = ship.shipper.slot[ship_last()].body.from;
    ship_answer(1, 0);
    assert_int_equal(tail(), 0);
    assert_int_equal(rig_books(&ship.rig).delivered, 2);
    ship_answer(0, 0);
    assert_int_equal(tail(), third);
    ship_answer(2, 0);
    assert_int_equal(tail(), head());
}

static void after_a_failure_one_body_asks_and_success_resumes_all(void **state)
{
    unsigned sends;

    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 2\nconcurrency = 2\nretry_min = 1s\nretry_max = 8s\n");
    put_pairs(8);
    ship_pass(0);
    ship_answer(0, EIO);
    ship_answer(1, EIO);
    assert_int_equal(ship_count(), 0);
    for (unsigned failures = 1; failures <= 5; failures++) {
        uint64_t from = ship.now_ns, longest = failures < 4 ? SHIP_SECOND << (failures - 1) : 8 * SHIP_SECOND;

        sends = ship.sends;
        while (ship_count() == 0)
            ship_pass(10 * MS);
        assert_in_range(ship.now_ns - from, 90 * MS, longest + 10 * MS);
        assert_int_equal(ship.sends, sends + 1);
        assert_int_equal(ship_first_line(ship_first()), 1); /* the oldest asks */
        ship_pass(SHIP_SECOND / 2);
        assert_int_equal(ship_count(), 1);
        if (failures < 5)
            ship_answer(ship_first(), EIO);
    }
    ship_answer(ship_first(), 0);
    assert_int_equal(ship_count(), 1);
    assert_int_equal(ship_first_line(ship_first()), 3);
    ship_answer(ship_first(), 0);
    assert_int_equal(ship_count(), 2);
    assert_int_equal(ship_first_line(ship_last()), 7);
}

static void bodies_that_fail_together_lengthen_the_pause_once(void **state)
{
    (void)state;
    ship_begin(256 * KIB, FILED "body_lines = 1\nconcurrency = 8\n");
    for (int i = 0; i < 8; i++) {
        char service[] = "service-0";

        service[8] += i;
        ship_put_as(service, LB_LEVEL_INFO, 20);
    }
    ship_pass(0);
    assert_int_equal(ship_count(), 8);
    ship_pass(SHIP_SECOND);
    for (unsigned i = 0; i < 8; i++)
        ship_answer(i, EIO);
    assert_int_equal(ship.shipper.retry.failures, 1);
    assert_int_equal(ship.shipper.stats.failures, 8);
    assert_true(ship.due_ns <= ship.now_ns + SHIP_SECOND);
}

static void a_transport_that_cannot_send_is_a_failure(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 1\n");
    ship.send_rc = -ENOMEM;
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(0);
    assert_int_equal(ship_count(), 0);
    assert_true(lb_shipper_is_away(&ship.shipper, ship.now_ns));
    ship_pass(30 * SHIP_SECOND);
    assert_in_range(ship.shipper.stats.failures, 3, 60);
    assert_int_equal(ship.shipper.stats.requests, 0);
    ship.send_rc = 0;
    ship_pass(300 * SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
    ship_answer(ship_first(), 0);
    assert_int_equal(tail(), head());
}

static void no_answer_for_2_s_is_away_until_one_comes(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 1\n");
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(2 * SHIP_SECOND - 1);
    assert_int_equal(lb_link_get(&ship.rig.link.sink_away), 0);
    ship_pass(1);
    assert_int_equal(lb_link_get(&ship.rig.link.sink_away), 1);
    ship_pass(60 * SHIP_SECOND);
    assert_true(ship.steps < 10);
    ship_answer(ship_first(), 0);
    assert_int_equal(lb_link_get(&ship.rig.link.sink_away), 0);
    assert_int_equal(lb_link_get(&ship.rig.link.last_answer_ns), ship.now_ns);
}

static void a_slow_body_beside_quick_ones_is_no_reason_to_wake_up(void **state)
{
    uint64_t steps;

    (void)state;
    ship_begin(256 * KIB, FILED "body_lines = 1\nconcurrency = 2\n");
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(0);
    for (int i = 0; i < 10; i++) {
        ship_put_as("till", LB_LEVEL_INFO, 20);
        steps = ship.steps;
        ship_pass(SHIP_SECOND);
        assert_true(ship.steps - steps <= 3);
        assert_int_equal(lb_link_get(&ship.rig.link.sink_away), 0);
        ship_answer(ship_last(), 0);
    }
}

/* The loop reads the clock once a turn, an answer reads it anew: it may be later than the step that follows.
 */
static void an_answer_later_than_the_step_s_clock_is_no_reason_to_be_away(void **state)
{
    (void)state;
    ship_begin(256 * KIB, FILED "body_lines = 1\nconcurrency = 2\n");
    ship_put(LB_LEVEL_INFO, 20);
    ship_put_as("till", LB_LEVEL_INFO, 20);
    ship_pass(SHIP_SECOND);
    ship_answer(1, 0);
    ship_put_as("till", LB_LEVEL_INFO, 20);
    ship_pass(3 * SHIP_SECOND / 2);
    ship_answer_at(1, 0, ship.now_ns + 5);
    assert_int_equal(lb_link_get(&ship.rig.link.sink_away), 0);
}

static void a_flush_sends_at_once_even_in_a_pause(void **state)
{
    uint64_t until;

    (void)state;
    ship_begin(64 * KIB, FILED "wait = 1h\nurgent_wait = 1h\nretry_min = 1h\nretry_max = 1h\n");
    ship_put(LB_LEVEL_INFO, 20);
    until = lb_shipper_flush(&ship.shipper);
    ship_step();
    assert_int_equal(ship_count(), 1);
    ship_answer(ship_first(), EIO);
    ship_pass(0);
    assert_int_equal(ship_count(), 0);
    lb_shipper_flush(&ship.shipper);
    ship_step();
    assert_int_equal(ship_count(), 1);
    ship_put(LB_LEVEL_INFO, 20); /* after the flush: it waits */
    assert_false(lb_shipper_has_passed(&ship.shipper, until));
    ship_answer(ship_first(), 0);
    assert_true(lb_shipper_has_passed(&ship.shipper, until));
    assert_int_equal(ship_count(), 0);
}

static struct lb_answer probed;
static unsigned probes;

static void on_probe(void *ctx, const struct lb_answer *answer, uint64_t took_ns)
{
    (void)ctx;
    (void)took_ns;
    probed = *answer;
    probes++;
}

static void a_probe_is_an_empty_body_of_its_own(void **state)
{
    struct lb_answer answer = { .status = 202 };

    (void)state;
    ship_begin(64 * KIB, "[sink dd]\ntype = datadog\n");
    probes = 0;
    assert_int_equal(lb_shipper_probe(&ship.shipper, false, on_probe, NULL), 0);
    assert_int_equal(lb_shipper_probe(&ship.shipper, false, on_probe, NULL), -EBUSY);
    assert_string_equal(ship.out[LB_PROBE_SLOT].text, "[]");
    assert_string_equal(ship.out[LB_PROBE_SLOT].encoding, "");
    ship.out[LB_PROBE_SLOT].is_out = false;
    lb_shipper_answer_at(&ship.shipper, LB_PROBE_SLOT, &answer, ship.now_ns);
    assert_int_equal(probes, 1);
    assert_int_equal(probed.status, 202);
    assert_int_equal(lb_shipper_probe(&ship.shipper, false, on_probe, NULL), 0);
}

static void damage_that_comes_while_it_runs_is_no_reason_to_spin(void **state)
{
    uint64_t pos;

    (void)state;
    ship_begin(64 * KIB, FILED "wait = 1s\n");
    for (int i = 0; i < 3; i++)
        ship_put(LB_LEVEL_INFO, 20);
    pos = head();
    ship.is_damaged = true;
    assert_true(rig_put(&ship.rig, "shop", LB_LEVEL_INFO, 20) > 0);
    *(uint32_t *)(void *)(ship.rig.files.ring.map.data + pos) = 3; /* its length */
    ship_step();
    for (int i = 0; i < 3; i++)
        assert_true(rig_put(&ship.rig, "shop", LB_LEVEL_INFO, 20) > 0);
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship_lines(ship_first()), 3); /* what is before it goes out */
    ship_answer(ship_first(), 0);
    for (int i = 0; i < 3; i++)
        assert_true(lb_shipper_step(&ship.shipper, ship.now_ns + (uint64_t)i) > ship.now_ns + SHIP_SECOND);
    lb_shipper_stop_soon(&ship.shipper);
    assert_true(lb_shipper_is_done(&ship.shipper));
    assert_int_equal(tail(), pos);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_body_leaves_at_the_device_s_beat_when_its_first_record_has_waited,
                                  ship_end),
        cmocka_unit_test_teardown(just_after_a_start_a_record_is_due_at_the_end_of_the_splay, ship_end),
        cmocka_unit_test_teardown(an_urgent_record_takes_along_what_is_before_it, ship_end),
        cmocka_unit_test_teardown(a_full_body_leaves_at_once, ship_end),
        cmocka_unit_test_teardown(what_did_not_fit_into_a_body_keeps_its_timer, ship_end),
        cmocka_unit_test_teardown(two_bodies_are_on_their_way_in_the_ring_s_order, ship_end),
        cmocka_unit_test_teardown(a_service_never_has_two_bodies_on_their_way, ship_end),
        cmocka_unit_test_teardown(answers_out_of_order_release_in_order, ship_end),
        cmocka_unit_test_teardown(after_a_failure_one_body_asks_and_success_resumes_all, ship_end),
        cmocka_unit_test_teardown(bodies_that_fail_together_lengthen_the_pause_once, ship_end),
        cmocka_unit_test_teardown(a_transport_that_cannot_send_is_a_failure, ship_end),
        cmocka_unit_test_teardown(no_answer_for_2_s_is_away_until_one_comes, ship_end),
        cmocka_unit_test_teardown(a_slow_body_beside_quick_ones_is_no_reason_to_wake_up, ship_end),
        cmocka_unit_test_teardown(an_answer_later_than_the_step_s_clock_is_no_reason_to_be_away, ship_end),
        cmocka_unit_test_teardown(a_flush_sends_at_once_even_in_a_pause, ship_end),
        cmocka_unit_test_teardown(a_probe_is_an_empty_body_of_its_own, ship_end),
        cmocka_unit_test_teardown(damage_that_comes_while_it_runs_is_no_reason_to_spin, ship_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
