/* SPDX-License-Identifier: MIT */
/*
 * The shipper and a clock that nobody vouches for: what is sent meanwhile and what waits, a certificate that
 * seems invalid, what a server's Date is good for, and records that are too old for the sink. The rig begins
 * at 100 s of boot time.
 */
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

#define KIB          1024
#define MS           1000000ull
#define CERTIFICATE  60 /* libcurl's number for a peer that could not be verified */
#define RETRY_MAX    60 /* seconds */
#define PLAIN        "[sink dd]\ntype = datadog\ncompression = none\nurgent_wait = 2s\nretry_min = 1s\n"
#define HASTY        PLAIN "retry_max = 60s\nclock_wait = off\n"
#define WALL_MS(now) (((now) + SHIP_WALL_NS) / MS)

/* An agent that starts while nobody disciplines the clock. */
static void begin(uint64_t ring_bytes, const char *settings, bool tells_time)
{
    ship_begin(ring_bytes, settings);
    ship_kill();
    ship.is_unsynced = true;
    ship.tells_time = tells_time;
    ship_start();
    ship_step();
}

static void clock_fault(unsigned slot)
{
    struct lb_answer answer = { .error = CERTIFICATE, .is_clock_fault = true };

    snprintf(answer.text, sizeof answer.text, "certificate is not yet valid");
    ship_answer_with(slot, &answer, ship.now_ns);
}

static void taken_at(unsigned slot, uint64_t date_s)
{
    struct lb_answer answer = { .status = 202, .date_s = date_s };

    ship_answer_with(slot, &answer, ship.now_ns);
}

static const char *sent(void)
{
    return ship.out[ship_first()].text;
}

static void send_now(void)
{
    lb_shipper_flush(&ship.shipper);
    ship.was_due = false;
    ship_step();
    ship_pass(0);
}

static void assert_stamp(const char *name, uint64_t ms)
{
    char member[64];

    snprintf(member, sizeof member, "\"%s\":%llu", name, (unsigned long long)ms);
    if (!strstr(sent(), member))
        fail_msg("no %s in %s", member, sent());
}

/* ---- a certificate that seems invalid ---- */

static void begin_with_fault(void)
{
    begin(64 * KIB, HASTY, false);
    ship_put(LB_LEVEL_INFO, 20);
    send_now();
    ship_pass(MS);
    clock_fault(ship_first());
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_CLOCK);
    assert_string_equal(ship.shipper.stats.last_error, "certificate is not yet valid");
    assert_true(lb_shipper_is_away(&ship.shipper, ship.now_ns));
    assert_int_equal(ship.shipper.retry.failures, 0);
    assert_false(ship.shipper.retry.is_open);
}

static void it_waits_for_the_clock_and_goes_on_when_it_is_synchronised(void **state)
{
    (void)state;
    begin_with_fault();
    ship_put(LB_LEVEL_ERROR, 20);
    ship_pass(50 * SHIP_SECOND);
    assert_int_equal(ship_count(), 0);
    assert_true(ship.steps < 200); /* it looks each second, and no more often */
    ship.is_unsynced = false;
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_AWAY);
    assert_int_equal(ship_lines(ship_first()), 2);
    assert_non_null(strstr(sent(), "\"clock\":\"repaired\""));
    ship_status(ship_first(), 202);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
}

static void a_step_of_the_clock_may_have_mended_it(void **state)
{
    (void)state;
    begin_with_fault();
    ship_pass(5 * SHIP_SECOND);
    ship.wall_offset_ns += 86400 * SHIP_SECOND;
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
    assert_stamp("timestamp", WALL_MS(100 * SHIP_SECOND) + 86400 * 1000);
    assert_non_null(strstr(sent(), "\"clock\":\"unknown\""));
}

static void at_the_latest_it_is_tried_again_after_the_longest_pause(void **state)
{
    (void)state;
    begin_with_fault();
    for (int i = 0; i < 5; i++) {
        uint64_t failed_ns = ship.now_ns;

        ship_pass(RETRY_MAX * SHIP_SECOND - MS);
        assert_int_equal(ship_count(), 0);
        ship_pass(RETRY_MAX * SHIP_SECOND / 10 + 2 * MS);
        assert_int_equal(ship_count(), 1);
        assert_true(ship.shipper.slot[ship_first()].sent_ns - failed_ns <= 11 * RETRY_MAX / 10 * SHIP_SECOND);
        ship_pass(MS);
        clock_fault(ship_first());
        assert_int_equal(ship.shipper.trouble, LB_TROUBLE_CLOCK);
    }
    assert_int_equal(ship.shipper.retry.failures, 0);
    assert_int_equal(ship.shipper.stats.failures, 6);
    assert_int_equal(ship.sends, 6);
    ship_pass(2 * RETRY_MAX * SHIP_SECOND);
    ship_status(ship_first(), 202);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
}

/* Then the certificate is what is wrong, and somebody has to renew it. */
static void with_a_right_clock_it_is_a_refusal(void **state)
{
    (void)state;
    ship_begin(64 * KIB, HASTY);
    ship_put(LB_LEVEL_INFO, 20);
    send_now();
    ship_pass(MS);
    clock_fault(ship_first());
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
    assert_int_equal(ship.shipper.retry.failures, 1);
    assert_true(ship.shipper.retry.until_ns > ship.now_ns + SHIP_SECOND);
}

static void a_question_may_meet_the_fault_as_well(void **state)
{
    (void)state;
    begin(64 * KIB, HASTY, true);
    ship_put(LB_LEVEL_INFO, 20);
    send_now();
    clock_fault(LB_ASK_SLOT);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_CLOCK);
    ship_pass(2 * SHIP_SECOND);
    assert_false(ship.out[LB_ASK_SLOT].is_out);
    ship.is_unsynced = false;
    ship_pass(SHIP_SECOND);
    assert_false(ship.out[LB_ASK_SLOT].is_out); /* the clock is right: nothing to be asked for */
    assert_int_equal(ship_count(), 1);
}

/* ---- the Date of an answer ---- */

static void the_first_thing_sent_is_a_question_and_its_date_bounds_the_clock(void **state)
{
    uint64_t right_ms;

    (void)state;
    begin(64 * KIB, HASTY, true);
    ship.wall_offset_ns = SHIP_WALL_NS - 7200 * SHIP_SECOND; /* two hours slow */
    ship_put(LB_LEVEL_ERROR, 20);
    right_ms = WALL_MS(ship.now_ns);
    ship_pass(2 * SHIP_SECOND);
    assert_true(ship.out[LB_ASK_SLOT].is_out);
    assert_string_equal(ship.out[LB_ASK_SLOT].text, "[]");
    assert_string_equal(ship.out[LB_ASK_SLOT].encoding, "");
    assert_int_equal(ship_count(), 0);
    ship_put_as("till", LB_LEVEL_ERROR, 20);
    ship_pass(5 * SHIP_SECOND); /* it waits for the answer, and does not spin meanwhile */
    assert_int_equal(ship_count(), 0);
    assert_true(ship.steps < 20);
    taken_at(LB_ASK_SLOT, WALL_MS(ship.now_ns) / 1000 - 3);
    assert_int_equal(ship_lines(ship_first()), 2);
    assert_non_null(strstr(sent(), "\"clock\":\"bounded\""));
    assert_null(strstr(sent(), "unknown"));
    assert_in_range(strtoull(strstr(sent(), "\"timestamp\":") + 12, NULL, 10), right_ms - 3500,
                    right_ms + 3500);
    assert_int_equal(ship.sends, 2);
}

static void a_server_without_a_date_is_asked_once(void **state)
{
    (void)state;
    begin(64 * KIB, HASTY, true);
    for (int i = 0; i < 5; i++) {
        ship_put(LB_LEVEL_INFO, 20);
        send_now();
        if (i == 0)
            ship_status(LB_ASK_SLOT, 202);
        assert_false(ship.out[LB_ASK_SLOT].is_out);
        assert_non_null(strstr(sent(), "\"clock\":\"unknown\""));
        ship_pass(MS);
        ship_status(ship_first(), 202);
    }
}

static void a_question_without_an_answer_is_asked_again(void **state)
{
    (void)state;
    begin(64 * KIB, HASTY, true);
    ship_put(LB_LEVEL_INFO, 20);
    send_now();
    ship_status(LB_ASK_SLOT, 503);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_AWAY);
    ship_pass(ship.shipper.retry.until_ns - ship.now_ns);
    assert_true(ship.out[LB_ASK_SLOT].is_out);
    assert_int_equal(ship_count(), 0);
    taken_at(LB_ASK_SLOT, WALL_MS(ship.now_ns) / 1000);
    assert_int_equal(ship_count(), 1);
    assert_non_null(strstr(sent(), "\"clock\":\"bounded\""));
}

static void a_question_that_is_refused_pauses_and_the_next_thing_is_a_body(void **state)
{
    (void)state;
    begin(64 * KIB, HASTY, true);
    ship_put(LB_LEVEL_INFO, 20);
    send_now();
    ship_status(LB_ASK_SLOT, 403);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
    ship_pass(600 * SHIP_SECOND);
    assert_false(ship.out[LB_ASK_SLOT].is_out);
    assert_int_equal(ship_count(), 1);
}

static void nobody_is_asked_who_cannot_tell_or_need_not(void **state)
{
    (void)state;
    begin(64 * KIB, HASTY, false);
    ship_put(LB_LEVEL_INFO, 20);
    send_now();
    assert_int_equal(ship_count(), 1);
    assert_non_null(strstr(sent(), "\"clock\":\"unknown\""));
    taken_at(ship_first(), WALL_MS(ship.now_ns) / 1000); /* the Date of any answer will do */
    ship_put(LB_LEVEL_INFO, 20);
    send_now();
    assert_non_null(strstr(sent(), "\"clock\":\"bounded\""));
    ship_kill();
    ship.is_unsynced = false;
    ship.tells_time = true;
    ship_start();
    ship_step();
    send_now();
    assert_int_equal(ship_count(), 1);
    assert_null(strstr(sent(), "\"clock\""));
}

/* The ring fills meanwhile as it does behind a body: whoever writes must be told, and the oldest must go. */
static void a_question_that_hangs_is_a_sink_that_is_away(void **state)
{
    const struct lb_ring *ring = &ship.rig.files.ring;

    (void)state;
    begin(64 * KIB, HASTY, true);
    ship_put(LB_LEVEL_INFO, 20);
    send_now();
    ship_pass(LB_AWAY_AFTER_NS - 1);
    assert_int_equal(lb_link_get(&ship.rig.link.sink_away), 0);
    ship_pass(1);
    assert_int_equal(lb_link_get(&ship.rig.link.sink_away), 1);
    while (rig_books(&ship.rig).shed == 0 && lb_ring_head(ring) - lb_ring_tail(ring) < ring->size / 8 * 7)
        assert_true(ship_put(LB_LEVEL_INFO, 200) > 0);
    assert_true(rig_books(&ship.rig).shed > 10);
    taken_at(LB_ASK_SLOT, WALL_MS(ship.now_ns) / 1000);
    assert_int_equal(lb_link_get(&ship.rig.link.sink_away), 0);
    send_now();
    assert_int_equal(ship_count(), 1);
}

/* ---- [sink] clock_wait ---- */

static void routine_records_wait_for_the_clock_but_not_for_long(void **state)
{
    (void)state;
    begin(64 * KIB, PLAIN "clock_wait = 200s\n", false);
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(200 * SHIP_SECOND - 1 - ship.now_ns);
    assert_int_equal(ship_count(), 0);
    assert_true(ship.steps < 250);
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
    assert_non_null(strstr(sent(), "\"clock\":\"unknown\""));
}

static void they_go_when_it_is_right(void **state)
{
    (void)state;
    begin(64 * KIB, PLAIN "clock_wait = 200s\n", false);
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(20 * SHIP_SECOND);
    assert_int_equal(ship_count(), 0);
    ship.is_unsynced = false;
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
    assert_non_null(strstr(sent(), "\"clock\":\"repaired\""));
}

static void a_full_body_goes_as_soon_as_it_is_right(void **state)
{
    (void)state;
    begin(64 * KIB, PLAIN "clock_wait = 200s\nbody_lines = 10\n", false);
    for (int i = 0; i < 10; i++)
        ship_put(LB_LEVEL_INFO, 20);
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship_count(), 0);
    ship.is_unsynced = false;
    ship_pass(SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
}

static void an_urgent_record_does_not_wait_and_takes_along_what_is_before_it(void **state)
{
    (void)state;
    begin(64 * KIB, PLAIN "clock_wait = 200s\n", false);
    ship_put(LB_LEVEL_INFO, 20);
    ship_put(LB_LEVEL_ERROR, 20);
    ship_pass(2 * SHIP_SECOND);
    assert_int_equal(ship_lines(ship_first()), 2);
}

static void a_flush_does_not_wait(void **state)
{
    (void)state;
    begin(64 * KIB, PLAIN "clock_wait = 200s\n", false);
    ship_put(LB_LEVEL_INFO, 20);
    send_now();
    assert_int_equal(ship_count(), 1);
}

/* The ring would be full before the clock is right: the knock must come at half of it, not a beat later. */
static void nothing_waits_while_the_ring_is_half_full(void **state)
{
    const struct lb_ring *ring = &ship.rig.files.ring;

    (void)state;
    begin(64 * KIB, PLAIN "clock_wait = 200s\nbody_lines = 10\n", false);
    while (lb_ring_head(ring) - lb_ring_tail(ring) < ring->size / 2) {
        assert_int_equal(ship_count(), 0);
        assert_true(ship_put(LB_LEVEL_INFO, 200) > 0);
    }
    ship_put(LB_LEVEL_INFO, 200);
    assert_int_equal(ship_count(), 1);
}

/* ---- too old for the sink ---- */

static void a_record_that_is_too_old_gets_the_time_of_sending(void **state)
{
    uint64_t put_ms;

    (void)state;
    ship_begin(64 * KIB, PLAIN "wait = 1h\nmax_age = 10m\n");
    ship_put(LB_LEVEL_INFO, 20);
    put_ms = WALL_MS(ship.now_ns);
    ship_pass(600 * SHIP_SECOND);
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(MS);
    send_now();
    assert_int_equal(ship_lines(ship_first()), 2);
    assert_stamp("timestamp", WALL_MS(ship.now_ns));
    assert_stamp("original_ms", put_ms);
    assert_stamp("timestamp", WALL_MS(ship.now_ns - MS)); /* the other one has its own */
    assert_null(strstr(strstr(sent(), "original_ms") + 1, "original_ms"));
    ship_status(ship_first(), 202);
    assert_int_equal(rig_books(&ship.rig).expired, 0);
}

static void or_it_is_dropped_and_told(void **state)
{
    struct lb_receipt receipt;
    unsigned row = 0;

    (void)state;
    ship_begin(64 * KIB, PLAIN "max_age = 10m\nexpired = drop\n");
    ship.send_rc = -111; /* no way out for eleven minutes */
    for (int i = 0; i < 5; i++)
        ship_put_as(i < 3 ? "shop" : "till", i == 1 ? LB_LEVEL_ERROR : LB_LEVEL_INFO, 20);
    ship_pass(660 * SHIP_SECOND);
    ship_put(LB_LEVEL_INFO, 20);
    ship.send_rc = 0;
    send_now();
    assert_int_equal(ship_lines(ship_first()), 1);
    assert_int_equal(ship_first_line(ship_first()), 6);
    assert_int_equal(rig_books(&ship.rig).shed, 5);
    assert_int_equal(rig_books(&ship.rig).expired, 5);
    while (lb_loss_next(&ship.rig.files.state, &row, &receipt)) {
        assert_int_equal(receipt.reason, LB_REASON_EXPIRED);
        assert_int_equal(receipt.lines, receipt.name_len && memcmp(receipt.name, "shop", 4) == 0 ? 3 : 2);
        assert_int_equal(receipt.range[LB_LANE_URGENT][0], 1);
        assert_int_equal(receipt.range[LB_LANE_URGENT][1], 1);
        assert_int_equal(receipt.range[LB_LANE_ROUTINE][0], 1);
        assert_int_equal(receipt.range[LB_LANE_ROUTINE][1], 4);
        row++;
    }
    ship_status(ship_first(), 202);
    assert_int_equal(ship_tell(), 2);
    send_now();
    assert_non_null(strstr(sent(), "were not sent: they were too old for the sink"));
    assert_non_null(strstr(sent(), "\"reason\":\"expired\""));
    ship_status(ship_first(), 202);
    assert_int_equal(rig_books(&ship.rig).own_delivered, 2);
    assert_int_equal(rig_books(&ship.rig).delivered, 1);
}

static void at_its_greatest_age_a_record_is_not_too_old(void **state)
{
    (void)state;
    ship_begin(64 * KIB, PLAIN "max_age = 10m\nexpired = drop\n");
    ship.shipper.is_held = true;
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(600 * SHIP_SECOND);
    ship.shipper.is_held = false;
    send_now();
    assert_int_equal(ship_count(), 1);
    assert_int_equal(rig_books(&ship.rig).expired, 0);
    assert_null(strstr(sent(), "original_ms"));
}

static void with_no_limit_nothing_is_too_old(void **state)
{
    (void)state;
    ship_begin(64 * KIB, PLAIN "max_age = off\nexpired = drop\n");
    ship.shipper.is_held = true;
    ship_put(LB_LEVEL_INFO, 20);
    ship_pass(1000ull * 86400 * SHIP_SECOND);
    ship.shipper.is_held = false;
    send_now();
    assert_int_equal(ship_count(), 1);
    assert_null(strstr(sent(), "original_ms"));
    assert_stamp("timestamp", WALL_MS(100 * SHIP_SECOND));
}

/* A clock that shows 1970: the sink's own time is better, and the age tells the rest. */
static void a_clock_that_cannot_be_right_gives_no_stamp(void **state)
{
    (void)state;
    begin(64 * KIB, HASTY, false);
    ship.wall_offset_ns = 0;
    ship_put(LB_LEVEL_ERROR, 20);
    ship_pass(2 * SHIP_SECOND);
    assert_null(strstr(sent(), "\"timestamp\""));
    assert_stamp("age_ms", 2000);
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_teardown(name, ship_end)
    const struct CMUnitTest tests[] = {
        CLAIM(it_waits_for_the_clock_and_goes_on_when_it_is_synchronised),
        CLAIM(a_step_of_the_clock_may_have_mended_it),
        CLAIM(at_the_latest_it_is_tried_again_after_the_longest_pause),
        CLAIM(with_a_right_clock_it_is_a_refusal),
        CLAIM(a_question_may_meet_the_fault_as_well),
        CLAIM(the_first_thing_sent_is_a_question_and_its_date_bounds_the_clock),
        CLAIM(a_server_without_a_date_is_asked_once),
        CLAIM(a_question_without_an_answer_is_asked_again),
        CLAIM(a_question_that_is_refused_pauses_and_the_next_thing_is_a_body),
        CLAIM(nobody_is_asked_who_cannot_tell_or_need_not),
        CLAIM(a_question_that_hangs_is_a_sink_that_is_away),
        CLAIM(routine_records_wait_for_the_clock_but_not_for_long),
        CLAIM(they_go_when_it_is_right),
        CLAIM(a_full_body_goes_as_soon_as_it_is_right),
        CLAIM(an_urgent_record_does_not_wait_and_takes_along_what_is_before_it),
        CLAIM(a_flush_does_not_wait),
        CLAIM(nothing_waits_while_the_ring_is_half_full),
        CLAIM(a_record_that_is_too_old_gets_the_time_of_sending),
        CLAIM(or_it_is_dropped_and_told),
        CLAIM(at_its_greatest_age_a_record_is_not_too_old),
        CLAIM(with_no_limit_nothing_is_too_old),
        CLAIM(a_clock_that_cannot_be_right_gives_no_stamp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
