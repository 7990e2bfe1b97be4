/* SPDX-License-Identifier: MIT */
/*
 * The shipper when the sink is away for long: the oldest are shed and told, bodies that wait or are on their
 * way among them; and when settings change, when the agent stops, and when a ring was set aside.
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

#include "agent/store/loss.h"
#include "tests/unit/lib_ship.h"

#define KIB   1024
#define FILED "[sink out]\ntype = file\npath = /nowhere\n"

static uint64_t used(void)
{
    return lb_ring_head(&ship.rig.files.ring) - lb_ring_tail(&ship.rig.files.ring);
}

static uint64_t size(void)
{
    return ship.rig.files.ring.size;
}

/* Put lines until the ring holds so much, or some were shed. */
static void fill_to(uint64_t bytes)
{
    uint64_t shed = rig_books(&ship.rig).shed;

    while (used() < bytes && rig_books(&ship.rig).shed == shed)
        assert_true(ship_put(LB_LEVEL_INFO, 200) > 0);
}

static void a_sink_that_is_there_is_never_shed_for(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 10\n");
    ship_put(LB_LEVEL_INFO, 200);
    for (uint32_t i = 0; i < 180; i++)
        ship_put(LB_LEVEL_INFO, 200);
    ship_pass(SHIP_SECOND);
    assert_true(used() > LB_HIGH_WATER(size()));
    assert_int_equal(rig_books(&ship.rig).shed, 0);
}

static void away_and_over_high_water_the_oldest_are_shed(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 10\nretry_min = 1h\nretry_max = 1h\n");
    for (int i = 0; i < 20; i++)
        ship_put_as(i < 10 ? "shop" : "till", LB_LEVEL_INFO, 200);
    ship_pass(0);
    ship_answer(ship_first(), EIO); /* one body has come back, one is on its way */
    assert_int_equal(ship_count(), 1);
    fill_to(LB_HIGH_WATER(size()) - 400);
    assert_int_equal(rig_books(&ship.rig).shed, 0);
    for (int i = 0; i < 4; i++)
        ship_put(LB_LEVEL_INFO, 200);
    assert_true(used() <= LB_LOW_WATER(size()) + 4 * 300);
    assert_int_equal(ship.cancels, 1); /* the one on its way was among the oldest */
    assert_int_equal(ship_count(), 0);
    assert_true(rig_books(&ship.rig).shed > 20);
    assert_int_equal(rig_untold(&ship.rig), rig_books(&ship.rig).shed);
}

static void what_another_sink_must_be_given_first_is_not_shed_and_not_asked_for(void **state)
{
    uint32_t line;

    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 10\nretry_min = 1h\nretry_max = 1h\n");
    for (int i = 0; i < 10; i++)
        ship_put(LB_LEVEL_INFO, 200);
    ship_pass(0);
    ship_answer(ship_first(), EIO);
    lb_ring_set_limit(&ship.rig.files.ring, lb_ring_tail(&ship.rig.files.ring));
    do
        line = ship_put(LB_LEVEL_INFO, 200); /* the test ends where a step asks for another one for nothing */
    while (line > 0);
    assert_int_equal(rig_books(&ship.rig).shed, 0);
    assert_true(ship.due_ns > ship.now_ns);
    lb_ring_set_limit(&ship.rig.files.ring, lb_ring_head(&ship.rig.files.ring));
    ship_step();
    assert_true(rig_books(&ship.rig).shed > 20);
}

static void what_an_app_waits_for_is_not_shed_nor_what_lies_behind(void **state)
{
    uint32_t last = 0;

    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 10\nretry_min = 1h\nretry_max = 1h\n"
                               "[service batch]\noverload = wait\n");
    for (int i = 0; i < 5; i++)
        ship_put(LB_LEVEL_INFO, 200);
    ship_pass(20 * SHIP_SECOND);
    ship_answer(ship_first(), EIO);
    for (uint32_t n; (n = ship_put_as("batch", LB_LEVEL_INFO, 200)) > 0;)
        last = n; /* until the ring is full, which the shedding of the first five put off */
    assert_true(last > 100);
    assert_int_equal(rig_books(&ship.rig).shed, 5);
    assert_true(used() > LB_HIGH_WATER(size()));
    ship_pass(5 * SHIP_SECOND);
    assert_int_equal(rig_books(&ship.rig).shed, 5);
}

static void a_body_that_cannot_be_stopped_keeps_its_slot_until_it_is_answered(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 10\nconcurrency = 1\nwait = 1s\n");
    ship.cannot_cancel = true;
    for (int i = 0; i < 10; i++)
        ship_put(LB_LEVEL_INFO, 200);
    ship_pass(3 * SHIP_SECOND);
    fill_to(LB_HIGH_WATER(size()) + 1);
    assert_int_equal(ship.cancels, 1);
    assert_int_equal(ship_count(), 1);
    ship_pass(60 * SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
    assert_int_equal(ship_first_line(ship_first()), 1);
    ship_answer(ship_first(), 0); /* told as shed, so it is not booked once more */
    assert_int_equal(rig_books(&ship.rig).delivered, 0);
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
    assert_true(ship_first_line(ship_first()) > 10);
}

static void losses_are_told_only_after_a_delivery(void **state)
{
    uint64_t shed;

    (void)state;
    ship_begin(64 * KIB,
               FILED "body_lines = 10\nretry_min = 1s\nretry_max = 1s\nwait = 1s\nurgent_wait = 1s\n");
    for (int i = 0; i < 10; i++)
        ship_put(LB_LEVEL_INFO, 200);
    ship_pass(0);
    ship_answer(ship_first(), EIO);
    fill_to(LB_HIGH_WATER(size()) + 1);
    shed = rig_books(&ship.rig).shed;
    assert_true(shed > 0);
    assert_int_equal(ship_tell(), 0);
    ship_pass(2 * SHIP_SECOND);
    ship_answer(ship_first(), 0);
    assert_int_equal(lb_link_get(&ship.rig.link.losses_wait), 1);
    assert_int_equal(ship_tell(), 1);
    assert_int_equal(rig_untold(&ship.rig), 0);
    assert_int_equal(lb_link_get(&ship.rig.link.losses_wait), 0);
    while (used() > 0) {
        ship_pass(SHIP_SECOND);
        ship_answer(ship_first(), 0);
    }
    assert_int_equal(rig_books(&ship.rig).own_delivered, 1);
    assert_int_equal(rig_books(&ship.rig).delivered + shed, rig_books(&ship.rig).queued);
}

/* More services in one stretch than one commit takes, with the whole loss table. */
static void a_stretch_of_many_services_is_shed_in_parts(void **state)
{
    char name[32];

    (void)state;
    ship_begin(256 * KIB, FILED "body_lines = 1000\nwait = 1h\nretry_min = 1h\nretry_max = 1h\n");
    ship.send_rc = -EIO;
    ship_put(LB_LEVEL_INFO, 20);
    lb_shipper_flush(&ship.shipper);
    ship_step();
    for (int i = 0; rig_books(&ship.rig).shed == 0; i++) {
        snprintf(name, sizeof name, "service-%d", i % 300);
        ship_put_as(name, i % 3 ? LB_LEVEL_INFO : LB_LEVEL_ERROR, 20);
    }
    assert_true(rig_books(&ship.rig).shed > 250);
    assert_int_equal(rig_untold(&ship.rig), rig_books(&ship.rig).shed);
}

/* Lines that a client had drained are older than what a new agent had recovered before it came. */
static void a_receipt_tells_from_the_oldest_to_the_newest(void **state)
{
    struct lb_receipt receipt;
    unsigned row = 0;
    uint64_t begin_ns;

    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 2\nretry_min = 1h\nretry_max = 1h\nwait = 1h\n");
    begin_ns = ship.now_ns;
    ship.rig.boot_ns = begin_ns;
    rig_put(&ship.rig, "shop", LB_LEVEL_INFO, 200);
    ship.rig.boot_ns = begin_ns - 2 * SHIP_SECOND;
    rig_put(&ship.rig, "shop", LB_LEVEL_INFO, 200);
    ship.shipper.failed_since_delivery = true;
    lb_retry_failed(&ship.shipper.retry, LB_FAILURE_NETWORK, 0, ship.now_ns);
    ship.shipper.retry.until_ns = LB_NEVER;
    ship_step();
    fill_to(LB_HIGH_WATER(size()) + 1);
    assert_true(rig_books(&ship.rig).shed > 2);
    lb_loss_release(&ship.rig.files.state);
    lb_commit_publish(&ship.rig.files.state.slow);
    assert_true(lb_loss_next(&ship.rig.files.state, &row, &receipt));
    assert_int_equal(receipt.first_ns, begin_ns - 2 * SHIP_SECOND);
    assert_int_equal(receipt.last_ns, begin_ns);
}

/* A body behind was delivered, the agent killed: what is shed then is two ranges, and no receipt claims both.
 */
static void a_receipt_never_covers_a_number_that_was_delivered(void **state)
{
    struct lb_receipt receipt;
    unsigned row = 0, receipts = 0;
    uint64_t lines = 0;

    (void)state;
    ship_begin(64 * KIB,
               FILED "body_lines = 2\nconcurrency = 3\nretry_min = 1h\nretry_max = 1h\nwait = 1h\n");
    for (int i = 0; i < 6; i++)
        ship_put_as(i / 2 == 0 ? "one" : i / 2 == 1 ? "two" : "three", LB_LEVEL_INFO, 200);
    ship_pass(0);
    ship_answer(1, 0);
    ship_kill();
    lb_config_free(ship.config);
    ship.config = rig_config(&ship.rig, FILED "wait = 1h\nconcurrency = 1\n");
    ship_start();
    ship_step();
    ship.shipper.failed_since_delivery = true;
    lb_retry_failed(&ship.shipper.retry, LB_FAILURE_NETWORK, 0, ship.now_ns);
    ship.shipper.retry.until_ns = LB_NEVER;
    ship_step();
    fill_to(LB_HIGH_WATER(size()) + 1);
    assert_true(rig_books(&ship.rig).shed > 4);
    lb_loss_release(&ship.rig.files.state);
    lb_commit_publish(&ship.rig.files.state.slow);
    while (lb_loss_next(&ship.rig.files.state, &row, &receipt)) {
        const uint64_t *range = receipt.range[LB_LANE_ROUTINE];

        assert_true(range[1] < 3 || range[0] > 4); /* 3 and 4 were delivered */
        lines += receipt.lines;
        receipts++;
        row++;
    }
    assert_int_equal(receipts, 3); /* of one; of three and shop, who share a range */
    assert_int_equal(lines, rig_books(&ship.rig).shed);
}

static void new_settings_are_for_bodies_that_wait_too(void **state)
{
    (void)state;
    ship_begin(64 * KIB, "[sink dd]\ntype = datadog\nbody_lines = 2\nretry_min = 1h\nretry_max = 1h\n");
    for (int i = 0; i < 4; i++)
        ship_put_as(i < 2 ? "shop" : "till", LB_LEVEL_INFO, 20);
    ship_pass(0);
    assert_string_equal(ship.out[ship_first()].encoding, "zstd");
    ship.config_before = ship.config;
    ship.config = rig_config(&ship.rig, "[sink dd]\ntype = datadog\nbody_lines = 3\ncompression = none\n"
                                        "[agent]\ntags = new:one\n");
    ship.shipper.is_held = true;
    ship_put(LB_LEVEL_INFO, 20);
    assert_int_equal(lb_shipper_reload(&ship.shipper, ship.config, 0), -EBUSY);
    ship_answer(0, EIO);
    assert_int_equal(lb_shipper_reload(&ship.shipper, ship.config, 0), -EBUSY);
    ship_answer(1, EIO);
    ship_pass(7200 * SHIP_SECOND); /* held: the pause is over and still nothing goes */
    assert_int_equal(ship_count(), 0);
    assert_int_equal(lb_shipper_reload(&ship.shipper, ship.config, 0), 0);
    ship.shipper.is_held = false;
    ship_step();
    assert_int_equal(ship_count(), 1); /* at once: the settings may be what was wrong */
    assert_string_equal(ship.out[ship_first()].encoding, "");
    assert_int_equal(ship_first_line(ship_first()), 1);
    assert_int_equal(ship_lines(ship_first()), 3);
    assert_non_null(strstr(ship.out[ship_first()].text, "\"ddtags\":\"new:one\""));
}

static void while_held_nothing_is_sent_and_nothing_asked_for(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 2\nwait = 1s\n");
    ship_put(LB_LEVEL_INFO, 20);
    ship.shipper.is_held = true;
    ship_step();
    for (int i = 0; i < 20; i++)
        ship_put(LB_LEVEL_ERROR, 20);
    ship_pass(3600 * SHIP_SECOND);
    assert_int_equal(ship_count(), 0);
    assert_true(ship.steps < 50);
    ship.shipper.is_held = false;
    ship_step();
    assert_int_equal(ship_count(), 1);
}

static void a_stop_ships_what_is_there_without_waiting(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "wait = 1h\nurgent_wait = 1h\n");
    ship_put(LB_LEVEL_INFO, 20);
    lb_shipper_stop_soon(&ship.shipper);
    assert_false(lb_shipper_is_done(&ship.shipper));
    ship_step();
    assert_int_equal(ship_count(), 1);
    assert_false(lb_shipper_is_done(&ship.shipper));
    ship_answer(ship_first(), 0);
    assert_true(lb_shipper_is_done(&ship.shipper));
}

static void a_stop_does_not_wait_for_a_sink_that_is_away(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED);
    ship_put(LB_LEVEL_INFO, 20);
    lb_shipper_stop_soon(&ship.shipper);
    ship_step();
    ship_pass(2 * SHIP_SECOND);
    assert_true(lb_shipper_is_done(&ship.shipper));
    ship_answer(ship_first(), EIO);
    assert_true(lb_shipper_is_done(&ship.shipper));
}

static void a_stop_leaves_a_body_that_is_being_written_alone(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 1\n");
    ship.cannot_cancel = true;
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(0);
    assert_int_equal(ship_count(), 1); /* the rest is in ship_end(), under a sanitizer */
}

static void set_ring_aside(void)
{
    assert_int_equal(lb_files_resize(&ship.rig.files, 128 * KIB, false), 0);
    assert_true(ship.rig.files.has_old_ring);
    ship_start();
    ship_step();
}

static void a_ring_set_aside_is_drained_first(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 2\nconcurrency = 2\nwait = 1h\n");
    for (int i = 0; i < 5; i++)
        rig_put(&ship.rig, i < 2 ? "shop" : "till", LB_LEVEL_INFO, 20);
    ship_kill();
    set_ring_aside();
    for (int i = 0; i < 5; i++)
        ship_put_as(i < 2 ? "shop" : "till", LB_LEVEL_INFO, 20);
    ship_pass(0);
    assert_int_equal(ship_count(), 2);
    assert_int_equal(ship_last_line(ship_last()), 4);
    ship_answer(ship_first(), 0);
    ship_answer(ship_first(), 0);
    assert_int_equal(ship.old_rings_done, 0);
    lb_shipper_flush(&ship.shipper);
    ship_step();
    assert_int_equal(ship_last_line(ship_first()), 5);
    assert_false(lb_shipper_is_done(&ship.shipper));
    ship_answer(ship_first(), 0);
    ship_pass(0);
    assert_int_equal(ship.old_rings_done, 1);
    assert_int_equal(ship_count(), 2); /* the flush asked for all that was there, in both rings */
    assert_int_equal(ship_first_line(ship_first()), 6);
    ship_answer(ship_first(), 0);
    ship_answer(ship_first(), 0);
    if (ship_count())
        ship_answer(ship_first(), 0);
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(0);
    assert_int_equal(ship_count(), 0); /* and of nothing more */
    assert_true(lb_shipper_has_passed(&ship.shipper, lb_ring_tail(&ship.rig.files.ring)));
}

static void a_ring_set_aside_is_shed_when_the_new_one_fills(void **state)
{
    (void)state;
    ship_begin(64 * KIB, FILED "body_lines = 2\nconcurrency = 1\nwait = 1s\nretry_max = 1s\n");
    for (int i = 0; i < 5; i++)
        rig_put(&ship.rig, "shop", LB_LEVEL_INFO, 20);
    ship_kill();
    ship.cannot_cancel = true;
    set_ring_aside();
    ship_pass(3 * SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
    fill_to(LB_HIGH_WATER(size()) + 300);
    assert_int_equal(rig_books(&ship.rig).shed, 5);
    ship_pass(3600 * SHIP_SECOND); /* its body still hangs: no step can do more, and none is asked for */
    assert_true(ship.steps < 1000);
    assert_int_equal(ship.old_rings_done, 0);
    ship_answer(ship_first(), EIO);
    assert_int_equal(ship.old_rings_done, 1);
    assert_true(ship.shipper.ring == &ship.rig.files.ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_sink_that_is_there_is_never_shed_for, ship_end),
        cmocka_unit_test_teardown(away_and_over_high_water_the_oldest_are_shed, ship_end),
        cmocka_unit_test_teardown(what_another_sink_must_be_given_first_is_not_shed_and_not_asked_for,
                                  ship_end),
        cmocka_unit_test_teardown(what_an_app_waits_for_is_not_shed_nor_what_lies_behind, ship_end),
        cmocka_unit_test_teardown(a_body_that_cannot_be_stopped_keeps_its_slot_until_it_is_answered,
                                  ship_end),
        cmocka_unit_test_teardown(losses_are_told_only_after_a_delivery, ship_end),
        cmocka_unit_test_teardown(a_stretch_of_many_services_is_shed_in_parts, ship_end),
        cmocka_unit_test_teardown(a_receipt_tells_from_the_oldest_to_the_newest, ship_end),
        cmocka_unit_test_teardown(a_receipt_never_covers_a_number_that_was_delivered, ship_end),
        cmocka_unit_test_teardown(new_settings_are_for_bodies_that_wait_too, ship_end),
        cmocka_unit_test_teardown(while_held_nothing_is_sent_and_nothing_asked_for, ship_end),
        cmocka_unit_test_teardown(a_stop_ships_what_is_there_without_waiting, ship_end),
        cmocka_unit_test_teardown(a_stop_does_not_wait_for_a_sink_that_is_away, ship_end),
        cmocka_unit_test_teardown(a_stop_leaves_a_body_that_is_being_written_alone, ship_end),
        cmocka_unit_test_teardown(a_ring_set_aside_is_drained_first, ship_end),
        cmocka_unit_test_teardown(a_ring_set_aside_is_shed_when_the_new_one_fills, ship_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
