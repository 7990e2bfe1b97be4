/* SPDX-License-Identifier: MIT */
/*
 * What the link carries, and when it may carry more.
 *
 * The story: a device with a small data plan. Each request is counted, by day, month and service; nothing is
 * sent that would pass the quota; and the link is never taken for more than [network] rate gives. The rig
 * begins at 100 s of boot time, on 2027-01-15 08:01:40 UTC.
 */
#include "agent/ship/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/unit/lib_ship.h"

#define KIB      1024
#define PLAIN    "[sink dd]\ntype = datadog\ncompression = none\nwait = 1s\nurgent_wait = 1s\nclock_wait = off\n"
#define DAY_LEFT (57500 * SHIP_SECOND) /* at the rig's begin, until midnight */

static uint64_t word(uint32_t row, unsigned word)
{
    return lb_commit_get(&ship.rig.files.state.slow, LB_SLOW_METER, row * LB_METER_WORDS + word);
}

static uint64_t today(void)
{
    uint64_t bytes = 1;

    assert_true(lb_meter_today(&ship.shipper, ship.now_ns, &bytes));
    return bytes;
}

static uint64_t row_of(const char *service)
{
    return lb_state_find_service(&ship.rig.files.state, service, strlen(service), 0);
}

/* Lines go out and are taken. Returns what that took on the link. */
static uint64_t deliver(const char *service, unsigned lines)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < lines; i++)
        ship_put_as(service, LB_LEVEL_INFO, 200);
    for (unsigned i = 0; i < 50; i++) {
        ship_pass(SHIP_SECOND / 10);
        while (ship_count() > 0) {
            bytes += ship.out[ship_first()].len + SHIP_HEAD;
            ship_status(ship_first(), 202);
        }
    }
    return bytes;
}

static void a_request_is_counted_in_its_day_and_month_in_all_and_by_service(void **state)
{
    uint64_t a, b;

    (void)state;
    ship_begin(256 * KIB, PLAIN);
    a = deliver("a", 10);
    b = deliver("b", 20);
    assert_true(a > 2000 && b > a);
    assert_int_equal(word(LB_METER_ALL, LB_METER_DAY), 20270115);
    assert_int_equal(word(LB_METER_ALL, LB_METER_MONTH), 202701);
    assert_int_equal(word(LB_METER_ALL, LB_METER_DAY_BYTES), a + b);
    assert_int_equal(word(LB_METER_ALL, LB_METER_MONTH_BYTES), a + b);
    assert_int_equal(word(row_of("a"), LB_METER_DAY_BYTES), a);
    assert_int_equal(word(row_of("b"), LB_METER_MONTH_BYTES), b);
    assert_int_equal(today(), a + b);
}

static void what_was_not_taken_is_counted_as_well(void **state)
{
    (void)state;
    ship_begin(256 * KIB, PLAIN);
    ship_put(LB_LEVEL_INFO, 200);
    ship_pass(2 * SHIP_SECOND);
    ship_status(ship_first(), 503);
    assert_true(word(LB_METER_ALL, LB_METER_DAY_BYTES) > SHIP_HEAD);
    assert_int_equal(word(LB_METER_MORE, LB_METER_TEXT_BYTES), 0); /* it teaches nothing of what text costs */
}

static void a_new_day_begins_anew_and_the_month_goes_on(void **state)
{
    uint64_t before, after;

    (void)state;
    ship_begin(256 * KIB, PLAIN);
    before = deliver("a", 10);
    ship_pass(DAY_LEFT);
    assert_int_equal(today(), 0);
    after = deliver("a", 5);
    assert_int_equal(word(LB_METER_ALL, LB_METER_DAY), 20270116);
    assert_int_equal(word(LB_METER_ALL, LB_METER_DAY_BYTES), after);
    assert_int_equal(word(LB_METER_ALL, LB_METER_MONTH_BYTES), before + after);
    assert_int_equal(word(row_of("a"), LB_METER_DAY_BYTES), after);
}

static void what_was_sent_before_the_clock_was_known_belongs_to_the_day_in_which_it_became_known(void **state)
{
    uint64_t before, before_today;

    (void)state;
    ship_begin(256 * KIB, PLAIN);
    ship_kill();
    ship.is_unsynced = true;
    ship_start();
    ship_step();
    before = deliver("a", 10);
    assert_int_equal(word(LB_METER_MORE, LB_METER_OFFSET_NS), 0);
    assert_false(lb_meter_today(&ship.shipper, ship.now_ns, &before_today));
    ship.is_unsynced = false;
    ship_pass(SHIP_SECOND);
    ship_step();
    assert_true(word(LB_METER_MORE, LB_METER_OFFSET_NS) > 0);
    assert_int_equal(word(LB_METER_ALL, LB_METER_DAY), 20270115);
    assert_int_equal(word(LB_METER_ALL, LB_METER_DAY_BYTES), before);
}

static void counts_outlive_the_agent(void **state)
{
    uint64_t before;

    (void)state;
    ship_begin(256 * KIB, PLAIN);
    before = deliver("a", 10);
    ship_kill();
    ship_start();
    ship_step();
    assert_int_equal(today(), before);
}

static void counts_ride_to_the_next_boot_where_the_window_is_the_same(void **state)
{
    uint64_t words[LB_METER_KEPT], sent, begin_wall_ns;

    (void)state;
    ship_begin(65536, PLAIN);
    sent = deliver("shop", 20);
    lb_meter_keep(&ship.shipper, words);
    begin_wall_ns = word(LB_METER_MORE, LB_METER_BEGIN_NS) + word(LB_METER_MORE, LB_METER_OFFSET_NS);
    ship_end(NULL);

    ship_begin(65536, PLAIN); /* RAM is gone: the same day, two hours later */
    ship_pass(7200 * SHIP_SECOND);
    assert_int_equal(today(), 0);
    lb_meter_adopt(&ship.shipper, words);
    lb_commit_publish(&ship.rig.files.state.slow);
    assert_int_equal(today(), sent);
    assert_int_equal(word(LB_METER_ALL, LB_METER_MONTH_BYTES), sent);
    assert_int_equal(word(LB_METER_MORE, LB_METER_BEGIN_NS) + word(LB_METER_MORE, LB_METER_OFFSET_NS),
                     begin_wall_ns);
    sent += deliver("shop", 5);
    assert_int_equal(today(), sent);
    ship_end(NULL);

    ship_begin(65536, PLAIN); /* or a day later: the month goes on, the day does not */
    ship_pass(DAY_LEFT + 3600 * SHIP_SECOND);
    lb_meter_adopt(&ship.shipper, words);
    lb_commit_publish(&ship.rig.files.state.slow);
    assert_int_equal(today(), 0);
    assert_true(word(LB_METER_ALL, LB_METER_MONTH_BYTES) > 0);
}

static void nothing_is_sent_that_would_pass_the_quota_and_the_next_day_it_goes_on(void **state)
{
    uint64_t spent = 0;

    (void)state;
    ship_begin(512 * KIB, PLAIN "[network]\nquota = 64K/day\n");
    for (unsigned i = 0; i < 10; i++)
        spent += deliver("a", 50);
    assert_in_range(spent, 32 * KIB, 64 * KIB);
    assert_int_equal(ship_count(), 0);
    assert_true(ship.shipper.pending_lines > 0);
    ship_pass(DAY_LEFT);
    assert_true(ship_count() > 0);
}

/* A body that was made while there was more waits; those after it are made to fit. */
static void a_body_is_no_larger_than_what_is_left(void **state)
{
    uint64_t sent = 0;

    (void)state;
    ship_begin(1024 * KIB, PLAIN "[network]\nquota = 64K/day\n");
    for (unsigned line = 0; line < 2000; line++)
        ship_put(LB_LEVEL_INFO, 200);
    for (unsigned i = 0; i < 100; i++, ship_pass(SHIP_SECOND))
        while (ship_count() > 0) {
            sent += ship.out[ship_first()].len + SHIP_HEAD;
            ship_status(ship_first(), 202);
        }
    assert_in_range(sent, 56 * KIB, 64 * KIB);
    assert_true(ship.shipper.pending_lines > 0);
}

static void a_link_rate_is_kept_within_five_per_cent_over_ten_seconds(void **state)
{
    static const struct {
        const char *settings;
        double bytes_a_second;
    } links[] = { { PLAIN "[network]\nrate = 64K/s\n", 64 * KIB },
                  { PLAIN "[network]\nrate = 16K/s\n", 16 * KIB },
                  { PLAIN "concurrency = 8\n[network]\nrate = 200K/s\n", 200 * KIB } };

    (void)state;
    for (unsigned i = 0; i < sizeof links / sizeof links[0]; i++) {
        uint64_t end_ns, sent = 0;
        double share;

        ship_begin(4096 * KIB, links[i].settings);
        for (unsigned line = 0; line < 3000; line++)
            ship_put(LB_LEVEL_INFO, 800);
        ship_pass(2 * SHIP_SECOND);
        while (ship_count() > 0) /* what went out at once is not of the ten seconds */
            ship_status(ship_first(), 202);
        for (end_ns = ship.now_ns + 10 * SHIP_SECOND; ship.now_ns < end_ns; ship_pass(SHIP_SECOND / 200))
            while (ship_count() > 0) {
                sent += ship.out[ship_first()].len + LB_METER_HEAD;
                ship_status(ship_first(), 202);
            }
        share = (double)sent / (10 * links[i].bytes_a_second);
        if (share < 0.95 || share > 1.05)
            print_error("%.0f bytes a second: %.3f of it\n", links[i].bytes_a_second, share);
        assert_true(share >= 0.95 && share <= 1.05);
        if (i + 1 < sizeof links / sizeof links[0])
            ship_end(state);
    }
}

static void a_file_sink_is_neither_counted_nor_limited(void **state)
{
    (void)state;
    ship_begin(256 * KIB, "[sink f]\ntype = file\npath = /nowhere\nwait = 1s\nurgent_wait = 1s\n[network]\n"
                          "quota = 64K/day\nrate = 1K/s\n");
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned line = 0; line < 50; line++)
            ship_put(LB_LEVEL_INFO, 200);
        ship_pass(3 * SHIP_SECOND);
        while (ship_count() > 0)
            ship_answer(ship_first(), 0);
    }
    assert_int_equal(ship.shipper.pending_lines, 0);
    assert_int_equal(word(LB_METER_ALL, LB_METER_DAY_BYTES), 0);
}

static void where_a_quota_runs_short_bodies_wait_longer(void **state)
{
    (void)state;
    ship_begin(256 * KIB, PLAIN);
    lb_link_put(&ship.rig.link.quota_step, 3);
    ship_put(LB_LEVEL_INFO, 200);
    ship_pass(3 * SHIP_SECOND);
    assert_int_equal(ship_count(), 0);
    ship_pass(6 * SHIP_SECOND);
    assert_int_equal(ship_count(), 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, ship_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_counted_in_its_day_and_month_in_all_and_by_service),
        TEST(what_was_not_taken_is_counted_as_well),
        TEST(a_new_day_begins_anew_and_the_month_goes_on),
        TEST(what_was_sent_before_the_clock_was_known_belongs_to_the_day_in_which_it_became_known),
        TEST(counts_outlive_the_agent),
        TEST(counts_ride_to_the_next_boot_where_the_window_is_the_same),
        TEST(nothing_is_sent_that_would_pass_the_quota_and_the_next_day_it_goes_on),
        TEST(a_body_is_no_larger_than_what_is_left),
        TEST(a_link_rate_is_kept_within_five_per_cent_over_ten_seconds),
        TEST(a_file_sink_is_neither_counted_nor_limited),
        TEST(where_a_quota_runs_short_bodies_wait_longer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
