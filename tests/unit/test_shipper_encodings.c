/* SPDX-License-Identifier: MIT */
/*
 * The shipper and a sink that may not read zstd: a first body that is refused goes out once more in gzip, and
 * what that comes to is remembered. Where gzip is refused as well the encoding was not to blame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_ship.h"

#define KIB  1024
#define MS   1000000ull
#define ZSTD "[sink dd]\ntype = datadog\nwait = 1h\nurgent_wait = 1h\n"

static const char *const names[] = { "shop", "till" };

/* Ten lines of one service, or of two, one after the other. */
static void put_tens(unsigned services)
{
    ship.shipper.is_held = true;
    for (unsigned i = 0; i < services * 10; i++)
        assert_true(ship_put_as(names[i / 10], LB_LEVEL_INFO, 20) > 0);
    ship.shipper.is_held = false;
    lb_shipper_flush(&ship.shipper);
    ship.was_due = false;
    ship_step();
    ship_pass(MS);
}

static void assert_sent(const char *encoding, unsigned lines)
{
    unsigned slot = ship_first();
    const struct lb_body *body = &ship.shipper.slot[slot].body;
    const char *magic = strcmp(encoding, "gzip") == 0 ? "\x1f\x8b" : "\x28\xb5\x2f\xfd";

    assert_string_equal(ship.out[slot].encoding, encoding);
    assert_int_equal(body->lines, lines);
    if (encoding[0])
        assert_memory_equal(ship.out[slot].text, magic, strlen(magic)); /* and it is what it says */
}

static void answer(long status)
{
    ship_status(ship_first(), status);
    ship_pass(MS);
}

static void a_sink_without_zstd_gets_gzip_and_that_is_remembered(void **state)
{
    static const long refusals[] = { 415, 400, 406 };

    for (int i = 0; i < 3; i++) {
        ship_begin(64 * KIB, ZSTD);
        put_tens(1);
        assert_sent("zstd", 10);
        answer(refusals[i]);
        assert_sent("gzip", 10); /* the same, at once */
        assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
        answer(202);
        for (int k = 0; k < 3; k++) {
            put_tens(1);
            assert_sent("gzip", 10);
            answer(202);
        }
        assert_int_equal(ship.sends, 5);
        assert_int_equal(rig_books(&ship.rig).delivered, 40);
        if (i < 2)
            ship_end(state);
    }
}

static void on_trial_bodies_go_one_at_a_time(void **state)
{
    (void)state;
    ship_begin(64 * KIB, ZSTD "body_lines = 10\n");
    put_tens(2);
    assert_int_equal(ship_count(), 2);
    answer(415);
    assert_int_equal(ship_count(), 1); /* the other one has to be answered first */
    answer(415);
    assert_int_equal(ship_count(), 1);
    assert_sent("gzip", 10);
    answer(202);
    assert_sent("gzip", 10);
    answer(202);
    assert_int_equal(ship.sends, 4);
    assert_int_equal(rig_books(&ship.rig).delivered, 20);
}

/* A gateway was put before the sink: zstd went through until then, so at first a record is looked for. That
 * the empty body is refused as well, packed as all are, tells that it is no record. */
static void a_sink_that_takes_no_zstd_any_more_gets_gzip_and_no_record_is_rejected(void **state)
{
    unsigned refusals = 0;

    (void)state;
    ship_begin(64 * KIB, ZSTD);
    put_tens(1);
    answer(202);
    put_tens(1);
    while (rig_books(&ship.rig).delivered < 20 && refusals < 20) {
        unsigned slot = ship.out[LB_ASK_SLOT].is_out ? LB_ASK_SLOT : ship_first();
        bool is_zstd = strcmp(ship.out[slot].encoding, "zstd") == 0;

        refusals += is_zstd;
        ship_status(slot, is_zstd ? 400 : 202);
        ship_pass(MS);
    }
    assert_int_equal(rig_books(&ship.rig).delivered, 20);
    assert_int_equal(rig_books(&ship.rig).rejected, 0);
    assert_in_range(refusals, 3, 8);
    put_tens(1);
    assert_sent("gzip", 10);
    answer(202);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_NONE);
}

static void new_settings_do_not_end_the_search_for_what_is_refused(void **state)
{
    (void)state;
    ship_begin(64 * KIB, ZSTD);
    put_tens(1);
    answer(202);
    put_tens(1);
    answer(400);
    assert_sent("zstd", 5);
    answer(400);
    assert_sent("zstd", 2);
    answer(202);
    ship.shipper.is_held = true;
    answer(400);
    ship_reload(ZSTD);
    ship.shipper.is_held = false;
    ship_step();
    assert_int_equal(rig_books(&ship.rig).rejected, 1); /* it was found */
    assert_sent("zstd", 7);                             /* and what is left is not searched again */
}

/* A failure in between is none of the encoding's: the trial goes on. */
static void a_trial_outlives_a_failure(void **state)
{
    (void)state;
    ship_begin(64 * KIB, ZSTD);
    put_tens(1);
    answer(400);
    assert_sent("gzip", 10);
    answer(503);
    ship_pass(60 * SHIP_SECOND);
    assert_sent("gzip", 10);
    answer(202);
    put_tens(1);
    assert_sent("gzip", 10);
}

static void once_zstd_was_taken_a_400_is_no_reason_for_gzip(void **state)
{
    (void)state;
    ship_begin(64 * KIB, ZSTD);
    put_tens(1);
    answer(202);
    put_tens(1);
    answer(400);
    assert_sent("zstd", 5);
    answer(202);
    assert_sent("zstd", 2);
}

static void a_415_is_one_even_then(void **state)
{
    (void)state;
    ship_begin(64 * KIB, ZSTD);
    put_tens(1);
    answer(202);
    put_tens(1);
    answer(415);
    assert_sent("gzip", 10);
    answer(202);
    put_tens(1);
    assert_sent("gzip", 10);
}

/* The record was to blame: it is looked for in gzip, for zstd is not proven yet, and then zstd has its turn.
 */
static void where_gzip_is_refused_too_the_search_begins(void **state)
{
    static const uint32_t poison = 7;

    (void)state;
    ship_begin(64 * KIB, ZSTD);
    put_tens(1);
    answer(400);
    assert_sent("gzip", 10);
    answer(400);
    assert_sent("gzip", 5);
    while (ship_count() > 0) {
        assert_string_equal(ship.out[ship_first()].encoding,
                            ship.shipper.suspect.from < ship.shipper.suspect.to ? "gzip" : "zstd");
        answer(ship_holds(ship_first(), poison) ? 400 : 202);
    }
    assert_int_equal(rig_books(&ship.rig).rejected, 1);
    assert_int_equal(rig_books(&ship.rig).delivered, 9);
    put_tens(1);
    assert_sent("zstd", 10);
    answer(202);
    put_tens(1);
    answer(400);
    assert_sent("zstd", 5);
}

/* Sent in zstd beside the one that is refused, and taken: then zstd is not what is refused. */
static void a_delivery_in_zstd_ends_the_trial_of_gzip(void **state)
{
    (void)state;
    ship_begin(64 * KIB, ZSTD "body_lines = 10\n");
    put_tens(2);
    assert_int_equal(ship_count(), 2);
    answer(400);
    answer(202);
    assert_sent("zstd", 10);
    answer(400);
    assert_sent("zstd", 5);
    while (ship_count() > 0)
        answer(202);
    put_tens(1);
    assert_sent("zstd", 10);
}

static void a_sink_that_reads_neither_is_paused(void **state)
{
    (void)state;
    ship_begin(64 * KIB, ZSTD);
    put_tens(1);
    answer(415);
    assert_sent("gzip", 10);
    answer(415);
    assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
    assert_int_equal(ship_count(), 0);
    ship_reload(ZSTD "compression = none\n");
    ship_step();
    for (int i = 0; i < 3; i++) {
        assert_sent("", 10);
        answer(202);
        put_tens(1);
    }
    answer(202);
    assert_int_equal(rig_books(&ship.rig).delivered, 40);
    ship_reload(ZSTD
                "body_lines = 10\n"); /* taken plain: that says nothing of gzip, and nothing is on trial */
    put_tens(2);
    assert_int_equal(ship_count(), 2);
    assert_sent("zstd", 10);
}

static void other_encodings_are_not_second_guessed(void **state)
{
    static const char *const settings[] = { ZSTD "compression = gzip\n", ZSTD "compression = none\n" };
    static const char *const tokens[] = { "gzip", "" };

    for (int i = 0; i < 2; i++) {
        ship_begin(64 * KIB, settings[i]);
        put_tens(1);
        assert_sent(tokens[i], 10);
        answer(400);
        assert_sent(tokens[i], 5);
        answer(415);
        assert_int_equal(ship.shipper.trouble, LB_TROUBLE_PAUSED);
        if (i == 0)
            ship_end(state);
    }
}

static void another_sink_is_asked_anew(void **state)
{
    (void)state;
    ship_begin(64 * KIB, ZSTD);
    put_tens(1);
    answer(415);
    answer(202);
    ship_reload(ZSTD "level = 2\n");
    put_tens(1);
    assert_sent("gzip", 10);
    answer(202);
    ship_reload(ZSTD "url = http://elsewhere\n");
    put_tens(1);
    assert_sent("zstd", 10);
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_teardown(name, ship_end)
    const struct CMUnitTest tests[] = {
        CLAIM(a_sink_without_zstd_gets_gzip_and_that_is_remembered),
        CLAIM(on_trial_bodies_go_one_at_a_time),
        CLAIM(a_sink_that_takes_no_zstd_any_more_gets_gzip_and_no_record_is_rejected),
        CLAIM(new_settings_do_not_end_the_search_for_what_is_refused),
        CLAIM(a_trial_outlives_a_failure),
        CLAIM(once_zstd_was_taken_a_400_is_no_reason_for_gzip),
        CLAIM(a_415_is_one_even_then),
        CLAIM(where_gzip_is_refused_too_the_search_begins),
        CLAIM(a_delivery_in_zstd_ends_the_trial_of_gzip),
        CLAIM(a_sink_that_reads_neither_is_paused),
        CLAIM(other_encodings_are_not_second_guessed),
        CLAIM(another_sink_is_asked_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
