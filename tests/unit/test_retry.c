/* SPDX-License-Identifier: MIT */
/*
 * When a sink that failed is asked again, and with how much: the pause grows and is random also at its
 * longest; what the sink asked for is a floor; one small body first, then more; a change of the network ends
 * a pause early, but not every pause; devices that do the same at the same time do not ship at the same time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/ship/retry.h"
#include "common/clock.h"

#define SECOND LB_NS_PER_S
#define TRIES  4000

static struct lb_retry retry;

static void begin(uint64_t min_ms, uint64_t max_ms, unsigned concurrency, uint64_t seed)
{
    lb_retry_init(&retry, min_ms, max_ms, concurrency, seed);
}

/* The longest pause after so many failures in a row, over many seeds. */
static uint64_t longest_ms(unsigned failures, enum lb_failure kind, uint64_t *ret_mean)
{
    uint64_t longest = 0, sum = 0;

    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        uint64_t wait = 0;

        begin(1000, 300000, 2, seed * 0x9e3779b97f4a7c15ull);
        for (unsigned i = 0; i < failures; i++)
            wait = lb_retry_failed(&retry, kind, 0, 0);
        longest = wait > longest ? wait : longest;
        sum += wait;
    }
    *ret_mean = sum / TRIES;
    return longest;
}

static void a_pause_doubles_up_to_the_longest_and_all_of_it_is_random(void **state)
{
    uint64_t mean;

    (void)state;
    assert_in_range(longest_ms(1, LB_FAILURE_NETWORK, &mean), 950, 1000);
    assert_in_range(longest_ms(2, LB_FAILURE_NETWORK, &mean), 1900, 2000);
    assert_in_range(mean, 900, 1100);
    assert_in_range(longest_ms(5, LB_FAILURE_NETWORK, &mean), 15000, 16000);
    assert_in_range(longest_ms(30, LB_FAILURE_NETWORK, &mean), 295000, 300000);
    assert_in_range(mean, 140000, 160000); /* full jitter at the cap too */
}

static void a_sink_that_has_too_much_gets_more_rest_than_one_that_is_not_there(void **state)
{
    uint64_t mean;

    (void)state;
    assert_in_range(longest_ms(1, LB_FAILURE_ANSWER, &mean), 3900, 4000);
    assert_in_range(mean, 1900, 2100);
    assert_in_range(longest_ms(5, LB_FAILURE_ANSWER, &mean), 62000, 64000);
    assert_in_range(longest_ms(30, LB_FAILURE_ANSWER, &mean), 295000, 300000); /* the longest is the same */
}

static void a_refusal_begins_later_and_may_last_three_times_as_long(void **state)
{
    uint64_t mean;

    (void)state;
    assert_in_range(longest_ms(1, LB_FAILURE_REFUSED, &mean), 1000 + 7500, 1000 + 8000);
    assert_in_range(longest_ms(30, LB_FAILURE_REFUSED, &mean), 880000, 901000);
    for (uint64_t seed = 1; seed < 500; seed++) { /* and it is never soon */
        begin(10, 300, 2, seed);
        assert_in_range(lb_retry_failed(&retry, LB_FAILURE_REFUSED, 0, 0), LB_RETRY_REFUSED_MS, 2000);
    }
}

static void there_is_a_floor_under_the_jitter(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 500; seed++) {
        begin(1000, 300000, 2, seed);
        assert_in_range(lb_retry_failed(&retry, LB_FAILURE_NETWORK, 0, 0), LB_RETRY_FLOOR_MS, 1000);
    }
    begin(10, 20, 1, 7); /* unless less was wanted */
    assert_in_range(lb_retry_failed(&retry, LB_FAILURE_NETWORK, 0, 0), 10, 20);
}

static void what_the_sink_asks_for_is_a_floor_with_a_tenth_of_jitter_and_a_cap(void **state)
{
    uint64_t least = UINT64_MAX, most = 0;

    (void)state;
    for (uint64_t seed = 1; seed < 500; seed++) {
        uint64_t wait;

        begin(10, 300000, 2, seed);
        wait = lb_retry_failed(&retry, LB_FAILURE_ANSWER, 60000, 0);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, 60000, 60200);
    assert_in_range(most, 65500, 66000);
    begin(10, 2000, 2, 1);
    assert_in_range(lb_retry_failed(&retry, LB_FAILURE_ANSWER, 86400000, 0), 2000, 2200);
    begin(1000, 300000, 2, 1);
    lb_retry_failed(&retry, LB_FAILURE_ANSWER, UINT64_MAX, 0); /* nothing runs over */
    assert_true(retry.until_ns <= 330 * SECOND);
}

static void nothing_is_sent_in_the_pause_then_one_then_1_2_4(void **state)
{
    uint64_t wait, now = 5 * SECOND;
    static const unsigned allowed[] = { 1, 2, 4, 6, 6 };

    (void)state;
    begin(1000, 8000, 6, 3);
    assert_true(lb_retry_may_send(&retry, 5, now));
    assert_false(lb_retry_may_send(&retry, 6, now));
    wait = lb_retry_failed(&retry, LB_FAILURE_NETWORK, 0, now);
    assert_true(retry.is_open);
    now += wait * LB_NS_PER_MS;
    assert_false(lb_retry_may_send(&retry, 0, now - 1));
    assert_true(lb_retry_may_send(&retry, 0, now));
    assert_false(lb_retry_may_send(&retry, 1, now));
    for (unsigned i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        lb_retry_succeeded(&retry);
        assert_false(retry.is_open);
        assert_true(lb_retry_may_send(&retry, allowed[i] - 1, now));
        assert_false(lb_retry_may_send(&retry, allowed[i], now));
    }
}

static void a_success_makes_only_some_failures_forgotten(void **state)
{
    (void)state;
    begin(1000, 300000, 2, 3);
    for (int i = 0; i < 7; i++)
        lb_retry_failed(&retry, LB_FAILURE_ANSWER, 0, 0);
    lb_retry_succeeded(&retry);
    assert_int_equal(retry.failures, 7 - LB_RETRY_RECOVERY); /* it flaps: slower than at first */
    for (int i = 0; i < 4; i++)
        lb_retry_succeeded(&retry);
    assert_int_equal(retry.failures, 0);
}

static void a_long_outage_is_forgotten_after_a_few_successes(void **state)
{
    (void)state;
    begin(1000, 300000, 2, 3);
    for (int i = 0; i < 35; i++)
        lb_retry_failed(&retry, LB_FAILURE_NETWORK, 0, 0);
    for (int i = 0; i < 5; i++)
        lb_retry_succeeded(&retry);
    assert_int_equal(retry.failures, 0);
}

static void a_change_of_the_network_cuts_a_pause_for_want_of_it_short(void **state)
{
    (void)state;
    begin(60000, 300000, 2, 3);
    assert_false(lb_retry_hurry(&retry, SECOND)); /* there is none */
    lb_retry_failed(&retry, LB_FAILURE_NETWORK, 0, SECOND);
    assert_true(lb_retry_hurry(&retry, SECOND));
    assert_in_range(retry.until_ns - SECOND, SECOND / 4, SECOND / 8 * 5);
    assert_false(lb_retry_may_send(&retry, 0, retry.until_ns - 1));
    assert_true(lb_retry_may_send(&retry, 0, retry.until_ns));
    assert_false(lb_retry_hurry(&retry, SECOND)); /* once */
}

/* After so many failures in a row: the least and the most that a device waits when its network is back. */
static void find_hurried_ms(unsigned failures, uint64_t *ret_least, uint64_t *ret_most)
{
    *ret_least = UINT64_MAX;
    *ret_most = 0;
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        uint64_t wait;

        begin(60000, 300000, 2, seed * 0x9e3779b97f4a7c15ull);
        for (unsigned i = 0; i < failures; i++)
            lb_retry_failed(&retry, LB_FAILURE_NETWORK, 0, 0);
        retry.until_ns = 300 * SECOND; /* the longest that it can be */
        assert_true(lb_retry_hurry(&retry, 0));
        wait = retry.until_ns / LB_NS_PER_MS;
        *ret_least = wait < *ret_least ? wait : *ret_least;
        *ret_most = wait > *ret_most ? wait : *ret_most;
    }
}

static void a_fleet_whose_network_is_back_is_spread_after_a_long_outage_alone(void **state)
{
    uint64_t least, most;

    (void)state;
    find_hurried_ms(1, &least, &most);
    assert_in_range(most, 500, 625);
    find_hurried_ms(5, &least, &most); /* half a minute of outage */
    assert_in_range(most, 2000, 2400);
    find_hurried_ms(8, &least, &most);
    assert_in_range(least, 250, 350);
    assert_in_range(most, 15000, 15500);
    find_hurried_ms(40, &least, &most); /* a day's outage costs no more */
    assert_in_range(most, 15000, 15500);
}

static void a_network_that_flaps_does_not_defeat_the_backoff(void **state)
{
    uint64_t now = SECOND, tries = 0;

    (void)state;
    begin(60000, 300000, 2, 3);
    while (now < 600 * SECOND) { /* something changes all the time */
        lb_retry_failed(&retry, LB_FAILURE_NETWORK, 0, now);
        lb_retry_hurry(&retry, now);
        now = retry.until_ns;
        tries++;
    }
    assert_in_range(tries, 8, 18);
    lb_retry_succeeded(&retry);
    assert_int_equal(retry.hurried, 0);
}

static void a_pause_that_ends_sooner_anyway_stays_as_it_is(void **state)
{
    (void)state;
    begin(100, 100, 2, 3);
    lb_retry_failed(&retry, LB_FAILURE_NETWORK, 0, SECOND);
    assert_false(lb_retry_hurry(&retry, SECOND));
    assert_in_range(retry.until_ns - SECOND, 0, SECOND / 10);
}

static void a_pause_that_the_sink_asked_for_is_not_cut_short(void **state)
{
    (void)state;
    begin(60000, 300000, 2, 3);
    lb_retry_failed(&retry, LB_FAILURE_ANSWER, 60000, SECOND);
    assert_false(lb_retry_hurry(&retry, SECOND));
    lb_retry_failed(&retry, LB_FAILURE_REFUSED, 0, SECOND);
    assert_false(lb_retry_hurry(&retry, SECOND));
    lb_retry_end_pause(&retry); /* but a person may */
    assert_true(lb_retry_may_send(&retry, 0, SECOND));
}

static void two_seeds_two_ways_and_one_seed_one_way(void **state)
{
    struct lb_retry same;
    unsigned equal = 0;

    (void)state;
    begin(1000, 300000, 2, 11);
    lb_retry_init(&same, 1000, 300000, 2, 11);
    for (int i = 0; i < 20; i++)
        assert_int_equal(lb_retry_failed(&retry, LB_FAILURE_NETWORK, 0, 0),
                         lb_retry_failed(&same, LB_FAILURE_NETWORK, 0, 0));
    lb_retry_init(&same, 1000, 300000, 2, 12);
    for (int i = 0; i < 20; i++)
        equal += lb_retry_random(&retry, 1000000) == lb_retry_random(&same, 1000000);
    assert_int_equal(equal, 0);
    assert_int_equal(lb_retry_random(&retry, 0), 0);
    begin(1000, 300000, 2, 0); /* a seed that would stand still */
    assert_true(lb_retry_random(&retry, UINT64_MAX) != lb_retry_random(&retry, UINT64_MAX));
}

static void a_device_ships_at_its_own_beat(void **state)
{
    uint64_t wait = 15 * SECOND, before = 0;

    (void)state;
    for (uint64_t phase = 0; phase < 40; phase++)
        for (uint64_t seen = 0; seen < 40; seen++) {
            uint64_t due = lb_retry_beat_ns(seen * SECOND, wait, phase * SECOND);

            assert_in_range(due, seen * SECOND + wait / 2, seen * SECOND + wait);
            assert_int_equal((due - phase * SECOND + 30 * wait) % (wait / 2), 0);
        }
    /* Who logs all the time ships once every wait. */
    for (uint64_t due = lb_retry_beat_ns(0, wait, 3); before < 100 * SECOND; before = due) {
        due = lb_retry_beat_ns(before = due + 1000, wait, 3);
        assert_in_range(due - before, wait - 1000, wait);
    }
    assert_int_equal(lb_retry_beat_ns(7, 0, 5), 7);
    assert_in_range(lb_retry_beat_ns(7, 1, 5), 7, 8);
}

/* How many of the devices ship in the first half of a wait, after some waits of logging all the time. */
static unsigned in_first_half(unsigned devices, uint64_t wait)
{
    unsigned count = 0;

    for (unsigned i = 0; i < devices; i++) {
        uint64_t phase = (i + 1) * 0x9e3779b97f4a7c15ull, due = 0, splay_until;

        begin(1000, 300000, 2, phase);
        splay_until = lb_retry_random(&retry, wait);
        for (unsigned body = 0; body < 20; body++)
            due = lb_retry_due_ns(due ? due + 1000 : 0, wait, phase, splay_until);
        count += due % wait < wait / 2;
    }
    return count;
}

static void devices_that_start_together_do_not_keep_to_one_half_of_the_wait(void **state)
{
    (void)state;
    assert_in_range(in_first_half(1000, 15 * SECOND), 430, 570);
    assert_in_range(in_first_half(1000, 60 * SECOND), 430, 570);
}

static void after_a_start_the_splay_says_when_and_then_the_beat(void **state)
{
    uint64_t wait = 15 * SECOND, splay_until = 4 * SECOND;

    (void)state;
    assert_int_equal(lb_retry_due_ns(0, wait, 3, splay_until), splay_until);
    assert_int_equal(lb_retry_due_ns(splay_until - 1, wait, 3, splay_until), splay_until);
    assert_int_equal(lb_retry_due_ns(splay_until, wait, 3, splay_until),
                     lb_retry_beat_ns(splay_until, wait, 3));
    assert_int_equal(lb_retry_due_ns(0, wait, 3, 0), lb_retry_beat_ns(0, wait, 3));
}

static void what_all_would_do_at_one_moment_each_does_at_its_own_before_it(void **state)
{
    unsigned early = 0;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t at = lb_retry_ahead_ns(60 * SECOND, 15 * SECOND, (i + 1) * 0x9e3779b97f4a7c15ull);

        assert_in_range(at, 45 * SECOND + 1, 60 * SECOND);
        early += at < 52 * SECOND + SECOND / 2;
        at = lb_retry_ahead_ns(60 * SECOND, 3600 * SECOND, i * SECOND); /* never more than half of it */
        assert_in_range(at, 30 * SECOND + 1, 60 * SECOND);
    }
    assert_in_range(early, 430, 570);
    assert_int_equal(lb_retry_ahead_ns(60 * SECOND, 0, 7), 60 * SECOND);
    assert_int_equal(lb_retry_ahead_ns(0, SECOND, 7), 0);
    assert_int_equal(lb_retry_ahead_ns(1, SECOND, 7), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_doubles_up_to_the_longest_and_all_of_it_is_random),
        cmocka_unit_test(a_sink_that_has_too_much_gets_more_rest_than_one_that_is_not_there),
        cmocka_unit_test(a_refusal_begins_later_and_may_last_three_times_as_long),
        cmocka_unit_test(there_is_a_floor_under_the_jitter),
        cmocka_unit_test(what_the_sink_asks_for_is_a_floor_with_a_tenth_of_jitter_and_a_cap),
        cmocka_unit_test(nothing_is_sent_in_the_pause_then_one_then_1_2_4),
        cmocka_unit_test(a_success_makes_only_some_failures_forgotten),
        cmocka_unit_test(a_long_outage_is_forgotten_after_a_few_successes),
        cmocka_unit_test(a_change_of_the_network_cuts_a_pause_for_want_of_it_short),
        cmocka_unit_test(a_pause_that_ends_sooner_anyway_stays_as_it_is),
        cmocka_unit_test(a_fleet_whose_network_is_back_is_spread_after_a_long_outage_alone),
        cmocka_unit_test(a_network_that_flaps_does_not_defeat_the_backoff),
        cmocka_unit_test(a_pause_that_the_sink_asked_for_is_not_cut_short),
        cmocka_unit_test(two_seeds_two_ways_and_one_seed_one_way),
        cmocka_unit_test(a_device_ships_at_its_own_beat),
        cmocka_unit_test(devices_that_start_together_do_not_keep_to_one_half_of_the_wait),
        cmocka_unit_test(what_all_would_do_at_one_moment_each_does_at_its_own_before_it),
        cmocka_unit_test(after_a_start_the_splay_says_when_and_then_the_beat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
