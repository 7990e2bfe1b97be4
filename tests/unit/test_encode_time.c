/* SPDX-License-Identifier: MIT */
/*
 * Records as JSON objects, as far as time goes: what a clock is worth, stamps that a sink would not take; and
 * the start records and receipts that tell of the time before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/encode_own.h"
#include "common/loop.h"
#include "tests/unit/lib_config.h"
#include "tests/unit/lib_encode.h"

#define HOUR_NS (3600 * 1000000000ull)

/* A sink with Datadog's window, sent at boot time now_ns. */
static void set_window(uint64_t now_ns)
{
    encoder.stamps.has_window = true;
    encoder.stamps.now_ns = now_ns;
    encoder.stamps.max_age_ns = 18 * HOUR_NS;
    encoder.stamps.max_ahead_ns = 2 * HOUR_NS;
}

static void the_clock_is_told_where_it_is_not_exact_and_always_with_all(void **state)
{
    static const enum lb_sequence kinds[] = { LB_SEQUENCE_BATCH, LB_SEQUENCE_OFF, LB_SEQUENCE_ALL };
    char member[64];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        for (int trust = LB_CLOCK_EXACT; trust < LB_CLOCK_TRUST_COUNT; trust++) {
            encode_begin("", kinds[i]);
            encoder.stamps.trust[0] = encoder.stamps.trust[1] = (enum lb_clock_trust)trust;
            snprintf(member, sizeof member, "\"clock\":\"%s\"}}",
                     lb_clock_trust_name((enum lb_clock_trust)trust));
            encoded(line_of("x"));
            if (trust == LB_CLOCK_EXACT && kinds[i] != LB_SEQUENCE_ALL)
                assert_null(strstr(encoded_text, "clock"));
            else
                assert_non_null(strstr(encoded_text, member));
        }
    }
}

static void records_from_before_the_clock_was_right_are_repaired(void **state)
{
    struct lb_record *record = line_of("x");

    (void)state;
    encode_begin("", LB_SEQUENCE_BATCH);
    encoder.stamps.exact_since_ns = 7 * HOUR_NS;
    encoder.stamps.trust[0] = LB_CLOCK_REPAIRED;
    record->boot_ns = 7 * HOUR_NS - 1;
    assert_non_null(strstr(encoded(record), ",\"logboom\":{\"clock\":\"repaired\"}}"));
    record->boot_ns = 7 * HOUR_NS;
    assert_null(strstr(encoded(record), "logboom"));
}

static void stamps_come_from_the_wall(void **state)
{
    struct lb_wall_reading reading = { 50 * HOUR_NS, 1800000000 * 1000000000ull, false };
    struct lb_stamps stamps;
    struct lb_wall wall;

    (void)state;
    lb_wall_init(&wall, 1700000000 * 1000000000ull);
    lb_wall_look(&wall, &reading);
    stamps = lb_stamps_of(&wall, reading.boot_ns);
    assert_true(stamps.offset_ns == reading.wall_ns - reading.boot_ns);
    assert_int_equal(stamps.trust[0], LB_CLOCK_UNKNOWN);
    assert_int_equal(stamps.trust[1], LB_CLOCK_UNKNOWN);
    assert_false(stamps.is_implausible);
    assert_false(stamps.has_window);
    reading = (struct lb_wall_reading) { 51 * HOUR_NS, reading.wall_ns + HOUR_NS, true };
    lb_wall_look(&wall, &reading);
    stamps = lb_stamps_of(&wall, reading.boot_ns + HOUR_NS);
    assert_true(stamps.exact_since_ns == 51 * HOUR_NS);
    assert_int_equal(stamps.trust[0], LB_CLOCK_REPAIRED);
    assert_int_equal(stamps.trust[1], LB_CLOCK_EXACT);
    lb_wall_init(&wall, 1900000000 * 1000000000ull); /* this program was made after what the clock shows */
    lb_wall_look(&wall, &reading);
    assert_true(lb_stamps_of(&wall, reading.boot_ns).is_implausible);
}

static void a_stamp_outside_of_the_window_becomes_the_time_of_sending(void **state)
{
    const uint64_t now_ns = 100 * HOUR_NS, now_ms = 1700000000000 + 100 * 3600000ull;
    struct lb_record *record = line_of("x");
    char member[96];

    (void)state;
    encode_begin("", LB_SEQUENCE_OFF);
    set_window(now_ns);
    record->boot_ns = now_ns - 18 * HOUR_NS; /* just inside, on both sides */
    assert_null(strstr(encoded(record), "original_ms"));
    record->boot_ns = now_ns + 2 * HOUR_NS;
    assert_null(strstr(encoded(record), "original_ms"));
    for (int i = 0; i < 2; i++) {
        uint64_t own_ms = i ? now_ms + 2 * 3600000 + 1 : now_ms - 18 * 3600000 - 1;

        record->boot_ns = i ? now_ns + 2 * HOUR_NS + 1000000 : now_ns - 18 * HOUR_NS - 1000000;
        encoded(record);
        snprintf(member, sizeof member, ",\"timestamp\":%llu,", (unsigned long long)now_ms);
        assert_non_null(strstr(encoded_text, member));
        snprintf(member, sizeof member, ",\"logboom\":{\"original_ms\":%llu}}", (unsigned long long)own_ms);
        assert_non_null(strstr(encoded_text, member));
    }
    encoder.stamps.max_age_ns = LB_NEVER;
    record->boot_ns = 0;
    assert_null(strstr(encoded(record), "original_ms"));
    encoder.stamps.has_window = false; /* as the file sink */
    encoder.stamps.max_age_ns = 0;
    assert_null(strstr(encoded(record), "original_ms"));
}

/* A board that believes in 1970: the sink's own time is nearer, and the age tells how much. */
static void a_clock_that_cannot_be_right_gives_an_age_and_no_stamp(void **state)
{
    struct lb_record *record = line_of("x");

    (void)state;
    encode_begin("[agent]\nhostname = pi\n", LB_SEQUENCE_OFF);
    set_window(HOUR_NS);
    encoder.stamps.is_implausible = true;
    encoder.stamps.trust[0] = encoder.stamps.trust[1] = LB_CLOCK_UNKNOWN;
    record->boot_ns = HOUR_NS - 2500000000;
    assert_string_equal(encoded(record), "{\"message\":\"x\",\"status\":\"error\",\"hostname\":\"pi\","
                                         "\"service\":\"shop\",\"ddsource\":\"python\","
                                         "\"logboom\":{\"clock\":\"unknown\",\"age_ms\":2500}}");
    record->boot_ns = HOUR_NS + 1; /* stamped after the step's clock was read: no age below zero */
    assert_null(strstr(encoded(record), "age_ms"));
    encoder.stamps.has_window = false; /* a file has no time of its own */
    assert_non_null(strstr(encoded(record), "\"timestamp\":"));
    assert_null(strstr(encoded_text, "age_ms"));
}

/* ---- start records ---- */

static struct lb_record *start_of(const struct lb_start *start)
{
    struct lb_record *record = record_of("logboom", "", start, sizeof *start);

    record->kind = LB_KIND_START;
    return record;
}

static void a_start_says_how_the_agent_before_ended(void **state)
{
    static const char *const members[] = { "unknown", "clean", "unclean" };
    static const char *const texts[] = { "nothing is known of the time before", "the last stop was clean",
                                         "the last stop was unclean" };
    struct lb_start start = { .version = { 0 } };
    char wanted[160];

    (void)state;
    snprintf((char *)start.version, sizeof start.version, "1.2.3");
    encode_begin("", LB_SEQUENCE_OFF);
    for (start.stop = 0; start.stop < LB_STOP_COUNT; start.stop++) {
        encoded(start_of(&start));
        snprintf(wanted, sizeof wanted, "{\"message\":\"logboom: started, version 1.2.3; %s\",",
                 texts[start.stop]);
        assert_int_equal(strncmp(encoded_text, wanted, strlen(wanted)), 0);
        snprintf(wanted, sizeof wanted, ",\"logboom\":{\"kind\":\"start\",\"stop\":\"%s\"}}",
                 members[start.stop]);
        assert_non_null(strstr(encoded_text, wanted));
    }
    start.stop = 77;
    assert_non_null(strstr(encoded(start_of(&start)), "\"stop\":\"unknown\""));
}

static void a_start_tells_the_ring_before_and_its_last_numbers(void **state)
{
    struct lb_start start = { .stop = LB_STOP_CLEAN, .last_ring = 0xfeed, .last = { 3, UINT64_MAX } };

    (void)state;
    encode_begin("", LB_SEQUENCE_OFF);
    assert_non_null(strstr(encoded(start_of(&start)),
                           ",\"logboom\":{\"kind\":\"start\",\"stop\":\"clean\",\"last\":{"
                           "\"id\":\"000000000000feed\",\"urgent\":3,\"routine\":18446744073709551615}}}"));
}

static void a_start_without_an_end_or_of_another_length_does_no_harm(void **state)
{
    struct lb_start start;
    struct lb_record *record;
    char small[16];

    (void)state;
    encode_begin("", LB_SEQUENCE_ALL);
    memset(&start, 'v', sizeof start); /* no NUL in its version */
    encoded(start_of(&start));
    assert_non_null(strstr(encoded_text, "version vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv; nothing"));
    assert_int_equal(lb_own_text(start_of(&start), small, sizeof small), sizeof small - 1);
    assert_string_equal(small, "logboom: starte");
    record = record_of("logboom", "", &start, sizeof start - 8);
    record->kind = LB_KIND_START;
    assert_null(strstr(encoded(record), "\"kind\""));
}

static void an_alert_says_what_it_is_about_and_the_step(void **state)
{
    struct lb_alert alert = {
        .what = LB_ALERT_PRESSURE, .step = 2, .before = 1, .text = "the queue is full"
    };
    struct lb_record *record;

    (void)state;
    encode_begin("", LB_SEQUENCE_OFF);
    record = record_of("logboom", "", &alert, sizeof alert);
    record->kind = LB_KIND_ALERT;
    encoded(record);
    assert_non_null(strstr(encoded_text, "\"message\":\"logboom: the queue is full\""));
    assert_non_null(strstr(
        encoded_text, "\"logboom\":{\"kind\":\"alert\",\"alert\":\"pressure\",\"step\":2,\"before\":1}"));
    memset(alert.text, 'x', sizeof alert.text); /* damaged: it has no end */
    alert.what = 99;
    record = record_of("logboom", "", &alert, sizeof alert);
    record->kind = LB_KIND_ALERT;
    assert_non_null(strstr(encoded(record), "\"alert\":\"unknown\""));
}

static struct lb_record *heartbeat_of(const struct lb_heartbeat *heart)
{
    struct lb_record *record = record_of("logboom", "", heart, sizeof *heart);

    record->kind = LB_KIND_HEARTBEAT;
    return record;
}

static void a_heartbeat_tells_what_is_known_and_nothing_else(void **state)
{
    struct lb_heartbeat heart = { .uptime_s = 7,
                                  .config = 0x1122334455667788,
                                  .ring = 0xabc,
                                  .fill = 125,
                                  .oldest_ms = 30,
                                  .delivery_s = UINT64_MAX,
                                  .celsius = LB_HEARTBEAT_UNKNOWN,
                                  .throttled = LB_HEARTBEAT_UNKNOWN };

    (void)state;
    encode_begin("", LB_SEQUENCE_OFF);
    encoded(heartbeat_of(&heart));
    assert_non_null(strstr(encoded_text,
                           "\"logboom\":{\"kind\":\"heartbeat\",\"version\":\"" LB_VERSION
                           "\",\"config\":\"55667788\","
                           "\"ring\":\"0000000000000abc\",\"up_s\":7,\"fill\":12.5,\"oldest_s\":0}"));
    heart.celsius = (uint64_t)(int64_t)-4500;
    heart.throttled = 0x50005;
    heart.delivery_s = 3;
    heart.lost = 2;
    encoded(heartbeat_of(&heart));
    assert_non_null(strstr(encoded_text, "\"delivery_s\":3,\"lost\":2,\"celsius\":-4.5,\"power\":\"low\"}"));
}

/* A year after its start, with all that a board can tell: in an outage, and when it has never been as busy.
 */
static void a_heartbeat_is_under_400_bytes(void **state)
{
    struct lb_heartbeat away = { .uptime_s = 31536000,
                                 .config = UINT32_MAX,
                                 .ring = UINT64_MAX,
                                 .fill = 953,
                                 .oldest_ms = 64800000,
                                 .delivery_s = 64800,
                                 .in = 999999,
                                 .held = 99999,
                                 .dropped = 999999,
                                 .lost = 99999,
                                 .celsius = 84000,
                                 .throttled = 1 },
                        busy = away;

    (void)state;
    busy.oldest_ms = busy.delivery_s = busy.lost = 1;
    busy.in = busy.delivered = 9999999;
    encode_begin("[agent]\nhostname = device-0123\n", LB_SEQUENCE_OFF);
    assert_in_range(strlen(encoded(heartbeat_of(&away))), 300, 399);
    assert_in_range(strlen(encoded(heartbeat_of(&busy))), 300, 399);
}

static void a_receipt_of_expired_lines_says_so(void **state)
{
    struct lb_receipt receipt = { .reason = LB_REASON_EXPIRED, .lines = 2, .bytes = 9 };

    (void)state;
    encode_begin("", LB_SEQUENCE_OFF);
    assert_string_equal(lb_reason_name(LB_REASON_EXPIRED), "expired");
    encoded(receipt_of(&receipt));
    assert_non_null(strstr(encoded_text,
                           "\"message\":\"logboom: 2 lines were not sent: they were too old for the sink\""));
    assert_non_null(strstr(encoded_text, "\"reason\":\"expired\""));
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, test_make_dir, test_remove_dir)
    const struct CMUnitTest tests[] = {
        CLAIM(the_clock_is_told_where_it_is_not_exact_and_always_with_all),
        CLAIM(records_from_before_the_clock_was_right_are_repaired),
        CLAIM(stamps_come_from_the_wall),
        CLAIM(a_stamp_outside_of_the_window_becomes_the_time_of_sending),
        CLAIM(a_clock_that_cannot_be_right_gives_an_age_and_no_stamp),
        CLAIM(a_start_says_how_the_agent_before_ended),
        CLAIM(a_start_tells_the_ring_before_and_its_last_numbers),
        CLAIM(a_start_without_an_end_or_of_another_length_does_no_harm),
        CLAIM(a_receipt_of_expired_lines_says_so),
        CLAIM(an_alert_says_what_it_is_about_and_the_step),
        CLAIM(a_heartbeat_tells_what_is_known_and_nothing_else),
        CLAIM(a_heartbeat_is_under_400_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
