/* SPDX-License-Identifier: MIT */
/*
 * The shipper and what a sink that speaks HTTP may answer: later, too large, not at
 * all. Encodings are in test_shipper_encodings.c, what is refused for one record in it is in
 * test_shipper_poison.c, the clock in test_shipper_clock.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/pending.h"
#include "tests/unit/lib_ship.h"

#define KIB    1024
#define MS     1000000ull
#define PLAIN  "[sink dd]\ntype = datadog\ncompression = none\nwait = 1h\nurgent_wait = 1h\n"
#define RETRY  "retry_max = 1h\n"
#define FOUR   "concurrency = 4\n"
#define LOUSY  52 /* libcurl's number for an empty reply */
#define MINUTE (60 * SHIP_SECOND)

static uint64_t used(void)
{
    return lb_ring_head(&ship.rig.files.ring) - lb_ring_tail(&ship.rig.files.ring);
}

/* So many lines of each of so many services, all due, nothing sent meanwhile. */
static void put_services(unsigned services, unsigned lines, size_t len)
{
    char name[16];

    ship.shipper.is_held = true;
    for (unsigned i = 0; i < services * lines; i++) {
        snprintf(name, sizeof name, "app-%u", i / lines);
        assert_true(ship_put_as(name, LB_LEVEL_INFO, len) > 0);
    }
    ship.shipper.is_held = false;
    lb_shipper_flush(&ship.shipper);
    ship.was_due = false;
    ship_step();
}

static void answer_after_ms(unsigned slot, long status, uint64_t retry_after_ms)
{
    struct lb_answer answer = { .status = status, .retry_after_ms = retry_after_ms };

    ship_answer_with(slot, &answer, ship.now_ns);
}

static void unreachable(unsigned slot)
{
    struct lb_answer answer = { .error = LOUSY, .text = "nobody answered" };

    ship_answer_with(slot, &answer, ship.now_ns);
}

static const struct lb_body *body_of(unsigned slot)
{
    return &ship.shipper.slot[slot].body;
}

static long takes_all(unsigned slot)
{
    (void)slot;
    return 202;
}

/* ---- later ---- */

static void what_the_sink_asks_for_is_the_least_it_gets(void **state)
{
    static const long later[] = { 429, 503 };

    for (int i = 0; i < 2; i++) {
        ship_begin(64 * KIB, PLAIN RETRY);
        put_services(1, 1, 20);
        answer_after_ms(ship_first(), later[i], 60000);
        assert_int_equal(ship.shipper.trouble, LB_TROUBLE_AWAY);
        ship_pass(MINUTE - 1);
        assert_int_equal(ship_count(), 0);
        ship_pass(MINUTE / 10 + 1); /* and up to a tenth more, so that a fleet does not come back at once */
        assert_int_equal(ship_count(), 1);
        ship_status(ship_first(), 202);
        assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
        if (i == 0)
            ship_end(state);
    }
}

static void it_gets_no_more_than_the_longest_pause(void **state)
{
    (void)state;
    ship_begin(64 * KIB, PLAIN "retry_max = 10s\n");
    put_services(1, 1, 20);
    answer_after_ms(ship_first(), 503, 86400 * 1000);
    ship_pass(11 * SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
}

static void the_second_of_two_that_fail_together_may_ask_for_more(void **state)
{
    (void)state;
    ship_begin(64 * KIB, PLAIN RETRY "body_lines = 10\n");
    put_services(2, 10, 20);
    assert_int_equal(ship_count(), 2);
    ship_pass(MS);
    answer_after_ms(ship_first(), 503, 0);
    ship_pass(MS);
    answer_after_ms(ship_first(), 429, 60000);
    assert_int_equal(ship.shipper.retry.failures, 1); /* of the sink: it is one */
    ship_pass(MINUTE - 1);
    assert_int_equal(ship_count(), 0);
    ship_pass(MINUTE / 10 + 1);
    assert_int_equal(ship_count(), 1);
}

static void after_a_failure_a_small_body_asks_then_one_two_four_follow(void **state)
{
    static const unsigned wanted[] = { 1, 1, 2, 4, 4 };

    (void)state;
    ship_begin(1024 * KIB, PLAIN RETRY FOUR "body_lines = 50\n");
    put_services(30, 50, 20);
    assert_int_equal(ship_count(), 4);
    ship_pass(MS);
    while (ship_count() > 0)
        ship_status(ship_first(), 500);
    assert_int_equal(ship.shipper.retry.failures, 1);
    ship_pass(MINUTE);
    for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_int_equal(ship_count(), wanted[i]);
        assert_int_equal(ship_lines(ship_first()), 50);
        ship_pass(MS);
        ship_status(ship_first(), 202);
    }
}

static void the_one_that_asks_is_small_in_lines_and_in_bytes(void **state)
{
    (void)state;
    ship_begin(1024 * KIB, PLAIN RETRY);
    put_services(1, 900, 8);
    assert_int_equal(ship_lines(ship_first()), 900);
    ship_pass(MS);
    ship_status(ship_first(), 502);
    ship_pass(MINUTE);
    assert_in_range(ship_lines(ship_first()), 50, LB_SMALL_LINES);
    assert_true(body_of(ship_first())->raw_bytes <= LB_SMALL_BYTES);
    ship_pass(MS);
    ship_status(ship_first(), 202);
    assert_in_range(ship_lines(ship_first()), 800, 850); /* the rest in one */
    ship_serve(takes_all);
    put_services(1, 40, 2000);
    ship_pass(MS);
    ship_status(ship_first(), 502);
    ship_pass(MINUTE);
    assert_in_range(ship_lines(ship_first()), 6, 8);
    assert_true(body_of(ship_first())->raw_bytes <= LB_SMALL_BYTES);
}

/* It was on its way before the sink failed: it says nothing of the sink after that. */
static void a_delivery_from_before_the_failure_does_not_end_the_pause(void **state)
{
    (void)state;
    ship_begin(64 * KIB, PLAIN RETRY "body_lines = 10\n");
    put_services(2, 10, 20);
    ship_pass(MS);
    answer_after_ms(ship_last(), 503, 60000);
    ship_pass(MS);
    ship_status(ship_first(), 202);
    assert_int_equal(rig_books(&ship.rig).delivered, 10);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_AWAY);
    ship_pass(MINUTE - 2 * MS);
    assert_int_equal(ship_count(), 0);
    ship_pass(MINUTE);
    assert_int_equal(ship_first_line(ship_first()), 11);
    ship_status(ship_first(), 202);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
    assert_int_equal(used(), 0);
}

/* What came back lies before a body on its way: that has to be answered first, or its lines might overtake.
 */
static void what_comes_back_waits_for_what_is_behind_it(void **state)
{
    (void)state;
    ship_begin(64 * KIB, PLAIN RETRY FOUR "body_lines = 10\n");
    put_services(2, 10, 20);
    ship_pass(MS);
    ship_status(ship_first(), 503);
    ship_put_as("app-0", LB_LEVEL_INFO, 20);
    ship_pass(MINUTE);
    assert_int_equal(ship_count(), 1);
    assert_int_equal(ship_first_line(ship_first()), 11);
    ship_status(ship_first(), 202);
    ship_pass(0);
    assert_int_equal(ship_count(), 1);
    assert_int_equal(ship_first_line(ship_first()), 1);
    assert_int_equal(ship_last_line(ship_first()), 10);
    ship_status(ship_first(), 202);
    lb_shipper_flush(&ship.shipper);
    ship_step();
    assert_int_equal(ship_first_line(ship_first()), 21);
}

/* ---- the network ---- */

static void a_change_of_the_network_ends_a_pause_that_was_for_want_of_one(void **state)
{
    (void)state;
    ship_begin(64 * KIB, PLAIN "retry_min = 1h\nretry_max = 1h\n");
    put_services(1, 1, 20);
    ship_pass(MS);
    unreachable(ship_first());
    assert_string_equal(ship.shipper.stats.last_error, "nobody answered");
    ship_pass(MS);
    lb_shipper_hurry(&ship.shipper, ship.now_ns);
    ship_step();
    assert_int_equal(ship_count(), 0); /* it settles first */
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
}

static void it_does_not_make_a_sink_faster_that_asked_for_time(void **state)
{
    (void)state;
    ship_begin(64 * KIB, PLAIN RETRY);
    put_services(1, 1, 20);
    answer_after_ms(ship_first(), 503, 60000);
    lb_shipper_hurry(&ship.shipper, ship.now_ns);
    ship_step();
    ship_pass(MINUTE - 1);
    assert_int_equal(ship_count(), 0);
}

/* ---- refused until somebody changes something ---- */

static void what_waiting_does_not_mend_pauses_for_long_and_says_so(void **state)
{
    static const long refusals[] = { 401, 403, 404, 302, 299 };

    for (unsigned i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        ship_begin(64 * KIB, PLAIN);
        put_services(1, 5, 20);
        ship_pass(MS);
        ship_status(ship_first(), refusals[i]);
        assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
        assert_true(lb_shipper_is_away(&ship.shipper, ship.now_ns));
        assert_int_equal(lb_link_get(&ship.rig.link.sink_away), 1);
        assert_int_equal(strncmp(ship.shipper.stats.last_error, "HTTP status ", 12), 0);
        ship_pass(LB_RETRY_REFUSED_MS * MS + 3 * SHIP_SECOND);
        assert_int_equal(ship_count(), 0);
        for (int k = 0; k < 20; k++) {
            ship_pass(20 * MINUTE);
            ship_status(ship_first(), refusals[i]);
        }
        assert_int_equal(ship.sends, 21);
        ship_pass(2 * MINUTE);
        assert_int_equal(ship_count(), 0);
        ship_reload(PLAIN);
        ship_step();
        assert_int_equal(ship_count(), 1); /* the new settings may be what it needs */
        ship_status(ship_first(), 202);
        assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
        assert_int_equal(rig_books(&ship.rig).delivered, 5);
        if (i + 1 < sizeof refusals / sizeof refusals[0])
            ship_end(state);
    }
}

/* ---- too large ---- */

static uint64_t limit_bytes, limit_lines;

static long takes_up_to_limits(unsigned slot)
{
    if (slot == LB_ASK_SLOT)
        return 202;
    return body_of(slot)->raw_bytes > limit_bytes || body_of(slot)->lines > limit_lines ? 413 : 202;
}

static void a_body_that_is_too_large_goes_in_parts_and_the_limit_is_learnt(void **state)
{
    unsigned requests;

    (void)state;
    ship_begin(1024 * KIB, PLAIN);
    limit_bytes = 20000;
    limit_lines = UINT64_MAX;
    put_services(1, 800, 100);
    assert_int_equal(ship_lines(ship_first()), 800);
    requests = ship_serve(takes_up_to_limits);
    assert_int_equal(rig_books(&ship.rig).delivered, 800);
    assert_true(requests < 30);
    assert_true(ship.shipper.learnt.max_bytes <= limit_bytes);
    put_services(1, 800, 100);
    assert_true(body_of(ship_first())->raw_bytes <= limit_bytes); /* not felt out again */
    ship_serve(takes_up_to_limits);
    assert_int_equal(rig_books(&ship.rig).delivered, 1600);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
}

/* It took more lines than these, so it is the bytes that it minds; and the other way round. */
static void only_what_it_never_took_as_much_of_is_to_blame(void **state)
{
    (void)state;
    ship_begin(1024 * KIB, PLAIN);
    put_services(1, 500, 10);
    ship_serve(takes_all);
    put_services(1, 100, 2000);
    ship_pass(MS);
    ship_status(ship_first(), 413);
    assert_int_equal(lb_pending_max_lines(&ship.shipper), 1000);
    assert_in_range(lb_pending_max_bytes(&ship.shipper), 100000, 120000);
    ship_serve(takes_all);
    put_services(1, 700, 10);
    ship_pass(MS);
    ship_status(ship_first(), 413);
    assert_int_equal(lb_pending_max_lines(&ship.shipper), 500); /* as much as it did take */
    assert_in_range(lb_pending_max_bytes(&ship.shipper), 100000, 120000);
    ship_serve(takes_all);
    assert_int_equal(rig_books(&ship.rig).delivered, 1300);
}

static void where_nothing_was_taken_both_are_to_blame(void **state)
{
    uint64_t bytes;

    (void)state;
    ship_begin(1024 * KIB, PLAIN);
    put_services(1, 501, 20);
    bytes = body_of(ship_first())->raw_bytes;
    ship_pass(MS);
    ship_status(ship_first(), 413);
    assert_int_equal(lb_pending_max_lines(&ship.shipper), 251);
    assert_int_equal(lb_pending_max_bytes(&ship.shipper), bytes / 2);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE); /* it is there, and there is something to do */
    assert_int_equal(ship_count(), 1);
}

/* It was more than ever before, but what it took before it will take again. */
static void the_limit_is_no_lower_than_what_was_taken(void **state)
{
    size_t taken;

    (void)state;
    ship_begin(1024 * KIB, PLAIN);
    put_services(1, 100, 2000);
    taken = body_of(ship_first())->raw_bytes;
    ship_serve(takes_all);
    put_services(1, 110, 2000);
    assert_int_equal(ship_lines(ship_first()), 110);
    ship_pass(MS);
    ship_status(ship_first(), 413);
    assert_int_equal(lb_pending_max_bytes(&ship.shipper), taken);
    assert_int_equal(lb_pending_max_lines(&ship.shipper), 100);
}

/* There is no pause after it, and still nothing overtakes, and nothing is sent twice. */
static void the_parts_of_what_was_too_large_wait_for_what_is_behind_them(void **state)
{
    (void)state;
    ship_begin(64 * KIB, PLAIN FOUR "body_lines = 10\n");
    put_services(2, 10, 20);
    assert_int_equal(ship_count(), 2);
    ship_pass(MS);
    ship_status(ship_first(), 413);
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
    assert_int_equal(ship_first_line(ship_first()), 11);
    ship_serve(takes_all);
    for (uint32_t line = 1; line <= 20; line++)
        assert_int_equal(ship.taken[line], 1);
    assert_int_equal(used(), 0);
}

static void a_sink_that_takes_less_than_it_did_is_learnt_anew(void **state)
{
    (void)state;
    ship_begin(1024 * KIB, PLAIN);
    put_services(1, 800, 100);
    ship_serve(takes_all);
    limit_bytes = 5000;
    limit_lines = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        put_services(1, 800, 100);
        assert_true(ship_serve(takes_up_to_limits) < 60);
    }
    assert_int_equal(rig_books(&ship.rig).delivered, 3200);
    limit_bytes = SIZE_MAX;
    limit_lines = 7;
    put_services(1, 800, 100);
    assert_true(ship_serve(takes_up_to_limits) < 300);
    assert_int_equal(rig_books(&ship.rig).delivered, 4000);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
}

static void another_sink_has_other_limits(void **state)
{
    size_t learnt;

    (void)state;
    ship_begin(1024 * KIB, PLAIN);
    limit_bytes = 5000;
    limit_lines = 10;
    put_services(1, 100, 100);
    ship_serve(takes_up_to_limits);
    learnt = lb_pending_max_lines(&ship.shipper);
    assert_in_range(learnt, 10, 20);
    ship_reload(PLAIN "body_bytes = 1M\n");
    assert_int_equal(lb_pending_max_lines(&ship.shipper), learnt);
    ship_reload(PLAIN "site = datadoghq.eu\n");
    assert_int_equal(lb_pending_max_lines(&ship.shipper), 1000);
}

static void one_record_that_is_too_large_is_rejected_with_proof_only(void **state)
{
    (void)state;
    ship_begin(1024 * KIB, PLAIN);
    put_services(1, 1, 5000);
    ship_pass(MS);
    ship_status(ship_first(), 413);
    assert_true(ship.out[LB_ASK_SLOT].is_out);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    ship_pass(MS);
    ship_status(LB_ASK_SLOT, 413); /* everything is too large for it: a fault of the settings */
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
    ship_pass(20 * MINUTE);
    ship_status(ship_first(), 413);
    ship_pass(MS);
    ship_status(LB_ASK_SLOT, 202);
    assert_int_equal(rig_books(&ship.rig).rejected, 1);
    assert_int_equal(lb_pending_max_lines(&ship.shipper), 1000); /* one record teaches no limit */
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_teardown(name, ship_end)
    const struct CMUnitTest tests[] = {
        CLAIM(what_the_sink_asks_for_is_the_least_it_gets),
        CLAIM(it_gets_no_more_than_the_longest_pause),
        CLAIM(the_second_of_two_that_fail_together_may_ask_for_more),
        CLAIM(after_a_failure_a_small_body_asks_then_one_two_four_follow),
        CLAIM(the_one_that_asks_is_small_in_lines_and_in_bytes),
        CLAIM(a_delivery_from_before_the_failure_does_not_end_the_pause),
        CLAIM(what_comes_back_waits_for_what_is_behind_it),
        CLAIM(a_change_of_the_network_ends_a_pause_that_was_for_want_of_one),
        CLAIM(it_does_not_make_a_sink_faster_that_asked_for_time),
        CLAIM(what_waiting_does_not_mend_pauses_for_long_and_says_so),
        CLAIM(a_body_that_is_too_large_goes_in_parts_and_the_limit_is_learnt),
        CLAIM(only_what_it_never_took_as_much_of_is_to_blame),
        CLAIM(where_nothing_was_taken_both_are_to_blame),
        CLAIM(the_limit_is_no_lower_than_what_was_taken),
        CLAIM(the_parts_of_what_was_too_large_wait_for_what_is_behind_them),
        CLAIM(a_sink_that_takes_less_than_it_did_is_learnt_anew),
        CLAIM(another_sink_has_other_limits),
        CLAIM(one_record_that_is_too_large_is_rejected_with_proof_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
