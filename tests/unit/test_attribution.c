/* SPDX-License-Identifier: MIT */
/*
 * Whose bytes a disk counted.
 *
 * The story: programs dirty pages, the kernel writes them half a minute later, and adds what is its own. Each
 * program gets what it had waiting, never more; the disk's count is never exceeded, and what nobody waited
 * for is the rest.
 */
#include "agent/wear/attribution.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define MIB    (1ull << 20)

enum { CARD = 0, STICK = 1, BOTH = 1u << 0 | 1u << 1 };
enum { WEB = 0, BASE = 1, CRON = 2 };

static struct lb_attribution waits;
static uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS], rest[LB_WEAR_DISKS];

static int begin(void **state)
{
    (void)state;
    memset(&waits, 0, sizeof waits);
    lb_attribution_age(&waits, 1000 * SECOND);
    return 0;
}

/* The disks count this much; shares and rest add up to it. */
static void pay(uint64_t card, uint64_t stick)
{
    const uint64_t counted[LB_WEAR_DISKS] = { [CARD] = card, [STICK] = stick };

    lb_attribution_pay(&waits, counted, shares, rest);
    for (unsigned d = 0; d < LB_WEAR_DISKS; d++) {
        uint64_t sum = rest[d];

        for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++)
            sum += shares[p][d];
        assert_int_equal(sum, counted[d]);
    }
}

static void what_waits_is_paid_once_when_the_disk_is_written_to(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 5 * MIB);
    pay(0, 0);
    assert_int_equal(shares[WEB][CARD], 0);
    lb_attribution_age(&waits, 1030 * SECOND);
    pay(5 * MIB, 0);
    assert_int_equal(shares[WEB][CARD], 5 * MIB);
    pay(5 * MIB, 0);
    assert_int_equal(shares[WEB][CARD], 0);
    assert_int_equal(rest[CARD], 5 * MIB);
}

static void a_disk_that_counts_more_leaves_a_rest_and_one_that_counts_less_leaves_it_waiting(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 1000);
    pay(600, 0);
    assert_int_equal(shares[WEB][CARD], 600);
    pay(4096, 0);
    assert_int_equal(shares[WEB][CARD], 400);
    assert_int_equal(rest[CARD], 3696);
}

static void two_programs_get_their_proportions(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 30 * MIB);
    lb_attribution_add(&waits, BASE, 1u << CARD, 10 * MIB);
    pay(20 * MIB, 0);
    assert_int_equal(shares[WEB][CARD], 15 * MIB);
    assert_int_equal(shares[BASE][CARD], 5 * MIB);
    assert_int_equal(rest[CARD], 0);
}

static void the_old_is_paid_before_the_new(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 1000);
    lb_attribution_age(&waits, 1060 * SECOND);
    lb_attribution_add(&waits, BASE, 1u << CARD, 1000);
    pay(1200, 0);
    assert_int_equal(shares[WEB][CARD], 1000);
    assert_int_equal(shares[BASE][CARD], 200);
}

static void what_was_not_written_within_two_minutes_is_dropped(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 1000);
    lb_attribution_add(&waits, BASE, 0, 1000);
    lb_attribution_age(&waits, 1060 * SECOND);
    pay(500, 0);
    assert_int_equal(shares[WEB][CARD], 500);
    lb_attribution_age(&waits, 1120 * SECOND);
    pay(4096, 0);
    assert_int_equal(shares[WEB][CARD], 0);
    assert_int_equal(shares[BASE][CARD], 0);
    assert_int_equal(rest[CARD], 4096);
}

static void many_looks_in_a_minute_drop_nothing_before_its_time(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 1000);
    for (unsigned s = 5; s <= 105; s += 5)
        lb_attribution_age(&waits, (1000 + s) * SECOND);
    pay(1000, 0);
    assert_int_equal(shares[WEB][CARD], 1000);
}

static void each_disk_is_paid_by_who_writes_to_it(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 1000);
    lb_attribution_add(&waits, BASE, 1u << STICK, 1000);
    pay(3000, 500);
    assert_int_equal(shares[WEB][CARD], 1000);
    assert_int_equal(shares[WEB][STICK], 0);
    assert_int_equal(shares[BASE][STICK], 500);
    assert_int_equal(shares[BASE][CARD], 0);
}

static void a_program_on_two_disks_pays_each_as_it_is_written_to(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, BOTH, 4000);
    pay(3000, 1000);
    assert_int_equal(shares[WEB][CARD], 3000);
    assert_int_equal(shares[WEB][STICK], 1000);
    lb_attribution_add(&waits, WEB, BOTH, 4000);
    pay(100, 0); /* a little of the one: the others still wait for both */
    pay(0, 9000);
    assert_int_equal(shares[WEB][STICK], 3900);
}

static void what_is_known_is_paid_before_what_is_not(void **state)
{
    (void)state;
    lb_attribution_add(&waits, CRON, 0, 50 * MIB);
    lb_attribution_age(&waits, 1060 * SECOND);
    lb_attribution_add(&waits, WEB, 1u << CARD, 10 * MIB);
    pay(12 * MIB, 3 * MIB);
    assert_int_equal(shares[WEB][CARD], 10 * MIB);
    assert_int_equal(shares[CRON][CARD], 2 * MIB);
    assert_int_equal(shares[CRON][STICK], 3 * MIB);
}

static void a_kernel_thread_is_paid_when_nobody_else_is_left(void **state)
{
    (void)state;
    lb_attribution_add(&waits, BASE, LB_ATTRIBUTION_LAST, 50 * MIB);
    lb_attribution_age(&waits, 1060 * SECOND);
    lb_attribution_add(&waits, CRON, 0, 5 * MIB);
    pay(7 * MIB, 0);
    assert_int_equal(shares[CRON][CARD], 5 * MIB);
    assert_int_equal(shares[BASE][CARD], 2 * MIB);
    lb_attribution_move(&waits, BASE, WEB);
    pay(MIB, 0);
    assert_int_equal(shares[WEB][CARD], MIB);
    lb_attribution_cancel(&waits, WEB, 46 * MIB);
    pay(7 * MIB, 0);
    assert_int_equal(shares[WEB][CARD], MIB);
}

static void bytes_that_were_taken_back_are_waited_for_no_more(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 1000);
    lb_attribution_age(&waits, 1060 * SECOND);
    lb_attribution_add(&waits, WEB, 0, 500);
    lb_attribution_cancel(&waits, WEB, 700); /* the newest first */
    pay(9000, 0);
    assert_int_equal(shares[WEB][CARD], 800);
    lb_attribution_cancel(&waits, BASE, UINT64_MAX);
    lb_attribution_add(&waits, BASE, 1u << CARD, 10);
    lb_attribution_add(&waits, CRON, BOTH, 10);
    lb_attribution_cancel(&waits, CRON, 4);
    pay(9000, 0);
    assert_int_equal(shares[BASE][CARD], 10);
    assert_int_equal(shares[CRON][CARD], 6);
}

static void one_that_is_merged_takes_along_what_it_waits_for(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 1000);
    lb_attribution_add(&waits, WEB, BOTH, 200);
    lb_attribution_age(&waits, 1060 * SECOND);
    lb_attribution_add(&waits, WEB, 0, 30);
    lb_attribution_move(&waits, WEB, CRON);
    pay(9000, 0);
    assert_int_equal(shares[WEB][CARD], 0);
    assert_int_equal(shares[CRON][CARD], 1230);
}

static void a_disk_that_went_owes_nothing_to_the_next_in_its_place(void **state)
{
    (void)state;
    lb_attribution_add(&waits, WEB, 1u << CARD, 1000);
    lb_attribution_add(&waits, WEB, BOTH, 50);
    lb_attribution_forget_disk(&waits, CARD);
    pay(9000, 9000);
    assert_int_equal(shares[WEB][CARD], 0);
    assert_int_equal(shares[WEB][STICK], 50);
}

static void numbers_beyond_belief_break_no_sum(void **state)
{
    (void)state;
    for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++)
        for (unsigned i = 0; i < 8; i++)
            lb_attribution_add(&waits, p, i % 4, UINT64_MAX);
    pay(UINT64_MAX, 0);
    for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++)
        assert_int_equal(shares[p][CARD], 3 * LB_ATTRIBUTION_BYTES_MAX); /* placed, for both, not known */
    assert_true(rest[CARD] > 0);
}

/* Odd numbers of all sizes: pay() checks each sum to the byte, here that nobody gets more than it waits for.
 */
static void no_rounding_adds_up(void **state)
{
    uint64_t seed = 7, due[LB_WEAR_PROGRAMS], paid[LB_WEAR_PROGRAMS];

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        uint64_t all = 0;

        memset(&waits, 0, sizeof waits);
        memset(paid, 0, sizeof paid);
        for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            due[p] = seed >> 34 >> (seed & 31);
            all += due[p];
            lb_attribution_add(&waits, p, (uint32_t)(seed >> 8) % 4, due[p]);
        }
        for (unsigned i = 0; i < 3; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            pay(i == 0 && all ? all - 1 : seed >> 33, seed >> 40);
            for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++)
                paid[p] += shares[p][CARD] + shares[p][STICK];
        }
        for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++)
            assert_true(paid[p] <= due[p]);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_waits_is_paid_once_when_the_disk_is_written_to),
        TEST(a_disk_that_counts_more_leaves_a_rest_and_one_that_counts_less_leaves_it_waiting),
        TEST(two_programs_get_their_proportions),
        TEST(the_old_is_paid_before_the_new),
        TEST(what_was_not_written_within_two_minutes_is_dropped),
        TEST(many_looks_in_a_minute_drop_nothing_before_its_time),
        TEST(each_disk_is_paid_by_who_writes_to_it),
        TEST(a_program_on_two_disks_pays_each_as_it_is_written_to),
        TEST(what_is_known_is_paid_before_what_is_not),
        TEST(a_kernel_thread_is_paid_when_nobody_else_is_left),
        TEST(bytes_that_were_taken_back_are_waited_for_no_more),
        TEST(one_that_is_merged_takes_along_what_it_waits_for),
        TEST(a_disk_that_went_owes_nothing_to_the_next_in_its_place),
        TEST(numbers_beyond_belief_break_no_sum),
        TEST(no_rounding_adds_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
