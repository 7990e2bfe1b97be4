/* SPDX-License-Identifier: MIT */
/*
 * The shipper and a sink that refuses a body for one record in it (400): the record is found by halving, and
 * it alone is given up, with a receipt; and only if there is proof that the sink takes anything else. One
 * that refuses everything loses nothing.
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

#define KIB   1024
#define MS    1000000ull
#define LINES 1000
#define PLAIN "[sink dd]\ntype = datadog\ncompression = none\nwait = 1h\nurgent_wait = 1h\nretry_min = 1s\n"

static uint32_t poison[4]; /* numbers of lines; 0: none */
static long empty_status;  /* what the sink says to an empty body */
static unsigned questions;

static bool is_poisoned(unsigned slot)
{
    for (unsigned i = 0; i < sizeof poison / sizeof poison[0]; i++)
        if (poison[i] && ship_holds(slot, poison[i]))
            return true;
    return false;
}

static long picky(unsigned slot)
{
    if (slot == LB_ASK_SLOT) {
        questions++;
        return empty_status;
    }
    return is_poisoned(slot) ? 400 : 202;
}

static long refuses_all(unsigned slot)
{
    return slot == LB_ASK_SLOT ? empty_status : 400;
}

static void begin(const char *settings, uint32_t first, uint32_t second)
{
    memset(poison, 0, sizeof poison);
    poison[0] = first;
    poison[1] = second;
    questions = 0;
    empty_status = 202;
    ship_begin(1024 * KIB, settings);
}

/* So many lines of one service, all in one body where the settings allow that. */
static void put_lines(unsigned lines)
{
    ship.shipper.is_held = true;
    while (lines-- > 0)
        assert_true(ship_put(LB_LEVEL_INFO, 20) > 0);
    ship.shipper.is_held = false;
    lb_shipper_flush(&ship.shipper);
    ship.was_due = false;
    ship_step();
}

/* The receipts that wait are one for each of these numbers, and no other. */
static void assert_told(unsigned count, const uint32_t *numbers)
{
    struct lb_receipt receipt;
    unsigned row = 0, found = 0;

    while (lb_loss_next(&ship.rig.files.state, &row, &receipt)) {
        uint64_t n = receipt.range[LB_LANE_ROUTINE][0];
        bool is_known = false;

        for (unsigned i = 0; i < count; i++)
            is_known = is_known || n == ship.rig.n[numbers[i]];
        assert_true(is_known);
        assert_int_equal(receipt.range[LB_LANE_ROUTINE][1], n);
        assert_int_equal(receipt.range[LB_LANE_URGENT][0], 0);
        assert_int_equal(receipt.reason, LB_REASON_REJECTED);
        assert_int_equal(receipt.lines, 1);
        assert_int_equal(receipt.bytes, 20);
        assert_int_equal(receipt.by_severity[LB_LEVEL_INFO], 1);
        assert_memory_equal(receipt.name, "shop", 4);
        found++;
        row++;
    }
    assert_int_equal(found, count);
}

/* All but these were taken once. */
static void assert_taken(unsigned lines, unsigned count, const uint32_t *but)
{
    for (uint32_t line = 1; line <= lines; line++) {
        unsigned wanted = 1;

        for (unsigned i = 0; i < count; i++)
            wanted = but[i] == line ? 0 : wanted;
        assert_int_equal(ship.taken[line], wanted);
    }
    assert_int_equal(rig_books(&ship.rig).delivered, lines - count);
    assert_int_equal(rig_books(&ship.rig).rejected, count);
    assert_int_equal(rig_books(&ship.rig).shed, 0);
}

static void find_one(uint32_t at)
{
    unsigned requests;

    begin(PLAIN, at, 0);
    put_lines(LINES);
    requests = ship_serve(picky);
    assert_in_range(requests, 10, 13);
    assert_taken(LINES, 1, &at);
    assert_told(1, &at);
    assert_int_equal(ship_tell(), 1);
    lb_shipper_flush(&ship.shipper);
    ship_step();
    assert_non_null(strstr(ship.out[ship_first()].text, "logboom: 1 line was not sent: the sink refused"));
    assert_non_null(strstr(ship.out[ship_first()].text, "\"reason\":\"rejected\""));
    ship_serve(picky);
    assert_int_equal(rig_books(&ship.rig).own_delivered, 1);
    assert_int_equal(lb_ring_tail(&ship.rig.files.ring), lb_ring_head(&ship.rig.files.ring));
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
}

static void one_among_a_thousand_is_found_in_a_dozen_requests(void **state)
{
    (void)state;
    find_one(617);
    assert_int_equal(questions, 0); /* what was delivered on the way is proof enough */
}

static void the_last_of_a_thousand_is_found(void **state)
{
    (void)state;
    find_one(LINES);
    assert_int_equal(questions, 0);
}

/* All halves that begin with it are refused, so nothing was delivered on the way: the sink is asked. */
static void the_first_of_a_thousand_is_found_and_proved_by_a_question(void **state)
{
    (void)state;
    find_one(1);
    assert_int_equal(questions, 1);
    assert_string_equal(ship.out[LB_ASK_SLOT].text, "[]");
}

static void the_only_record_is_proved_by_a_question(void **state)
{
    const uint32_t at = 1;

    (void)state;
    begin(PLAIN, at, 0);
    put_lines(1);
    assert_int_equal(ship_serve(picky), 2);
    assert_int_equal(questions, 1);
    assert_taken(1, 1, &at);
    assert_told(1, &at);
}

static void two_are_found_wherever_they_are(void **state)
{
    static const uint32_t places[][2] = { { 1, 2 }, { 1, LINES }, { 500, 501 }, { 17, 900 }, { 999, 1000 } };

    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
        begin(PLAIN, places[i][0], places[i][1]);
        put_lines(LINES);
        assert_in_range(ship_serve(picky), 11, 27);
        assert_taken(LINES, 2, places[i]);
        assert_told(2, places[i]);
        if (i + 1 < sizeof places / sizeof places[0])
            ship_end(state);
    }
}

/* What comes after a bisection is a body of the usual size again. */
static void once_it_is_found_bodies_are_whole_again(void **state)
{
    (void)state;
    begin(PLAIN, 617, 0);
    put_lines(LINES);
    ship_serve(picky);
    put_lines(LINES);
    assert_int_equal(ship_lines(ship_first()), LINES);
    assert_int_equal(ship_serve(picky), 1);
}

static void a_sink_that_refuses_everything_loses_nothing_and_is_paused(void **state)
{
    (void)state;
    begin(PLAIN, 0, 0);
    empty_status = 400;
    put_lines(100);
    assert_in_range(ship_serve(refuses_all), 2, 9);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
    assert_non_null(strstr(ship.shipper.stats.last_error, "refuses everything"));
    assert_true(lb_shipper_is_away(&ship.shipper, ship.now_ns));
    for (int i = 0; i < 50; i++) {
        ship_pass(600 * SHIP_SECOND);
        ship_serve(refuses_all);
    }
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    assert_told(0, NULL);
    assert_true(ship.sends < 51 * 9);
    ship_pass(600 * SHIP_SECOND); /* and when it is mended, all is there */
    ship_serve(picky);
    assert_taken(100, 0, NULL);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
}

/*
 * A sink that refuses even an empty body, but has taken others: then one record is to blame, and another, but
 * not one after the other without end.
 */
static void the_third_in_a_row_needs_more_than_memories(void **state)
{
    static const uint32_t ends[] = { 51, 52, 53 };

    (void)state;
    begin(PLAIN, 0, 0);
    empty_status = 400;
    put_lines(50);
    ship_serve(picky);
    put_lines(100);
    ship_serve(refuses_all);
    assert_int_equal(rig_books(&ship.rig).rejected, 3);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
    assert_told(3, ends);
    ship_pass(600 * SHIP_SECOND);
    ship_serve(refuses_all);
    assert_int_equal(rig_books(&ship.rig).rejected, 3);
    ship_pass(600 * SHIP_SECOND);
    ship_serve(picky);
    assert_taken(150, 3, ends);
    put_lines(100); /* what it took since counts for as many again */
    ship_serve(refuses_all);
    assert_int_equal(rig_books(&ship.rig).rejected, 6);
}

static void a_sink_that_never_took_anything_is_not_believed_at_all(void **state)
{
    (void)state;
    begin(PLAIN, 1, 0);
    empty_status = 422;
    put_lines(1);
    assert_int_equal(ship_serve(refuses_all), 2);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
}

/* A key that is revoked at the wrong moment says nothing of the record that was refused before. */
static void a_question_that_is_answered_by_no_is_no_proof(void **state)
{
    const uint32_t at = 51;

    (void)state;
    begin(PLAIN, at, 0);
    put_lines(50);
    ship_serve(picky);
    put_lines(1);
    empty_status = 401;
    assert_int_equal(ship_serve(picky), 2);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
    empty_status = 202;
    ship_pass(600 * SHIP_SECOND);
    ship_serve(picky);
    assert_taken(51, 1, &at);
}

static void a_question_that_fails_is_asked_again_later(void **state)
{
    const uint32_t at = 1;

    (void)state;
    begin(PLAIN, at, 0);
    empty_status = 503;
    put_lines(1);
    assert_int_equal(ship_serve(picky), 2);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_AWAY);
    empty_status = 202;
    ship_pass(60 * SHIP_SECOND);
    assert_true(ship.out[LB_ASK_SLOT].is_out);
    assert_int_equal(ship_count(), 0);
    ship_serve(picky);
    assert_taken(1, 1, &at);
}

/* Lines that come while the question is out wait for its answer, and nothing spins. */
static void while_a_question_is_out_nothing_is_sent(void **state)
{
    (void)state;
    begin(PLAIN, 1, 0);
    put_lines(1);
    ship_pass(MS);
    ship_status(ship_first(), 400);
    assert_true(ship.out[LB_ASK_SLOT].is_out);
    assert_true(lb_shipper_is_busy(&ship.shipper));
    for (int i = 0; i < 2000; i++)
        ship_put_as(i % 2 ? "till" : "lamp", LB_LEVEL_ERROR, 20);
    lb_shipper_flush(&ship.shipper);
    ship_pass(20 * SHIP_SECOND);
    assert_int_equal(ship_count(), 0);
    ship_status(LB_ASK_SLOT, 202);
    assert_int_equal(ship_count(), 1);
    assert_false(ship_holds(ship_first(), 1));
}

/* Of another service, sent beside the one that is refused: its delivery is proof, and no part of the search.
 */
static void a_body_beside_it_is_proof_and_does_not_end_the_search(void **state)
{
    const uint32_t at = 3;
    unsigned first;

    (void)state;
    begin(PLAIN "body_lines = 10\n", at, 0);
    for (int i = 0; i < 20; i++)
        ship_put_as(i < 10 ? "shop" : "till", LB_LEVEL_INFO, 20);
    ship_step();
    assert_int_equal(ship_count(), 2);
    first = ship_first();
    ship_pass(MS);
    ship_status(first, 400);
    assert_int_equal(ship_count(), 1);
    ship_pass(MS);
    ship_status(ship_first(), 202);
    assert_int_equal(ship_lines(ship_first()), 5); /* half of what was refused, not all of it again */
    ship_serve(picky);
    assert_int_equal(questions, 0);
    assert_taken(20, 1, &at);
}

static void what_is_looked_for_may_be_shed(void **state)
{
    struct lb_answer refusal = { .status = 503 };

    (void)state;
    memset(poison, 0, sizeof poison);
    ship_begin(64 * KIB, PLAIN "retry_max = 1h\n");
    for (int i = 0; i < 100; i++)
        ship_put(LB_LEVEL_INFO, 20);
    lb_shipper_flush(&ship.shipper);
    ship_step();
    ship_pass(MS);
    ship_status(ship_first(), 400);
    assert_int_equal(ship_lines(ship_first()), 50);
    ship_pass(MS);
    refusal.retry_after_ms = 3600 * 1000;
    ship_answer_with(ship_first(), &refusal, ship.now_ns);
    while (rig_books(&ship.rig).shed == 0)
        assert_true(ship_put(LB_LEVEL_INFO, 200) > 0);
    assert_true(rig_books(&ship.rig).shed > 20);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    ship_pass(2 * 3600 * SHIP_SECOND);
    assert_true(ship_lines(ship_first()) > 1); /* what is left was never refused alone */
    ship_serve(picky);
    while (lb_ring_tail(&ship.rig.files.ring) != lb_ring_head(&ship.rig.files.ring)) {
        ship_pass(3600 * SHIP_SECOND);
        ship_serve(picky);
    }
    assert_int_equal(rig_books(&ship.rig).delivered + rig_books(&ship.rig).shed, ship.rig.lines);
}

/* Then there is nothing left to reject, whatever the answer to the question is. */
static void what_was_refused_alone_may_be_shed_before_the_proof_comes(void **state)
{
    (void)state;
    memset(poison, 0, sizeof poison);
    ship_begin(64 * KIB, PLAIN);
    put_lines(1);
    ship_pass(MS);
    ship_status(ship_first(), 400);
    assert_true(ship.out[LB_ASK_SLOT].is_out);
    ship_pass(LB_AWAY_AFTER_NS);
    while (lb_ring_head(&ship.rig.files.ring) < 3 * ship.rig.files.ring.size / 2) /* and written over */
        assert_true(ship_put(LB_LEVEL_INFO, 20) > 0);
    ship_status(LB_ASK_SLOT, 202);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    lb_shipper_flush(&ship.shipper);
    ship_step();
    ship_serve(picky);
    assert_int_equal(rig_books(&ship.rig).delivered + rig_books(&ship.rig).shed, ship.rig.lines);
}

/* A receipt that is refused is not told again: it would be refused for ever. */
static void a_record_of_our_own_that_is_refused_is_given_up(void **state)
{
    (void)state;
    begin(PLAIN, 2, 0);
    put_lines(3);
    ship_serve(picky);
    assert_int_equal(ship_tell(), 1);
    lb_shipper_flush(&ship.shipper);
    ship_step();
    assert_int_equal(ship_serve(refuses_all), 2);
    assert_int_equal(rig_books(&ship.rig).own_shed, 1);
    assert_int_equal(ship_tell(), 0);
    assert_int_equal(lb_ring_tail(&ship.rig.files.ring), lb_ring_head(&ship.rig.files.ring));
}

static char service_of[RING_LINES_MAX];
static uint32_t newest[5];

static void note_order(const char *text)
{
    static const char mark[] = "\"message\":\"L";

    for (const char *at = text; (at = strstr(at, mark)); at++) {
        uint32_t line = (uint32_t)strtoul(at + sizeof mark - 1, NULL, 10);

        assert_true(line > newest[(int)service_of[line]]);
        newest[(int)service_of[line]] = line;
    }
}

/* Whatever is refused, split, failed or rejected meanwhile: a service's lines arrive in order, each once. */
static void a_service_never_overtakes_itself(void **state)
{
    static const char *const names[] = { "shop", "till", "lamp", "gate", "belt" };
    static const long moods[] = { 202, 202, 202, 413, 503, 400, 429 };
    uint64_t random = 12345;

    (void)state;
    begin(PLAIN "body_lines = 16\nconcurrency = 4\n", 0, 0);
    memset(newest, 0, sizeof newest);
    ship.on_taken = note_order;
    for (int i = 0; i < 6000; i++) {
        unsigned slot;

        random = random * 6364136223846793005ull + 1442695040888963407ull;
        if (random >> 61 < 6) {
            service_of[ship.rig.lines + 1] = (char)(random >> 33) & 1 ? i / 8 % 5 : i / 40 % 5;
            ship_put_as(names[(int)service_of[ship.rig.lines + 1]], LB_LEVEL_INFO, 20);
            continue;
        }
        ship_pass(random % 3 ? MS : SHIP_SECOND);
        if (ship.out[LB_ASK_SLOT].is_out)
            ship_status(LB_ASK_SLOT, 202);
        if (ship_count() == 0)
            continue;
        slot = random >> 40 & 1 ? ship_first() : ship_last();
        ship_status(slot, moods[(random >> 44) % (sizeof moods / sizeof moods[0])]);
    }
    lb_shipper_flush(&ship.shipper);
    for (int i = 0; i < 100; i++) {
        ship_pass(3600 * SHIP_SECOND);
        ship_serve(picky);
    }
    for (uint32_t line = 1; line <= ship.rig.lines; line++)
        assert_true(ship.taken[line] <= 1);
    assert_true(rig_books(&ship.rig).delivered > ship.rig.lines / 2);
    assert_int_equal(rig_books(&ship.rig).delivered + rig_books(&ship.rig).rejected, ship.rig.lines);
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_teardown(name, ship_end)
    const struct CMUnitTest tests[] = {
        CLAIM(one_among_a_thousand_is_found_in_a_dozen_requests),
        CLAIM(the_last_of_a_thousand_is_found),
        CLAIM(the_first_of_a_thousand_is_found_and_proved_by_a_question),
        CLAIM(the_only_record_is_proved_by_a_question),
        CLAIM(two_are_found_wherever_they_are),
        CLAIM(once_it_is_found_bodies_are_whole_again),
        CLAIM(a_sink_that_refuses_everything_loses_nothing_and_is_paused),
        CLAIM(the_third_in_a_row_needs_more_than_memories),
        CLAIM(a_sink_that_never_took_anything_is_not_believed_at_all),
        CLAIM(a_question_that_is_answered_by_no_is_no_proof),
        CLAIM(a_question_that_fails_is_asked_again_later),
        CLAIM(while_a_question_is_out_nothing_is_sent),
        CLAIM(a_body_beside_it_is_proof_and_does_not_end_the_search),
        CLAIM(what_is_looked_for_may_be_shed),
        CLAIM(what_was_refused_alone_may_be_shed_before_the_proof_comes),
        CLAIM(a_record_of_our_own_that_is_refused_is_given_up),
        CLAIM(a_service_never_overtakes_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
