/* SPDX-License-Identifier: MIT */
/*
 * The wear ledger: what the card may still be written today.
 *
 * The story: a link is gone for a week. Each day the spool may write its budget, not more, whatever happens
 * to the device meanwhile; and what is not used of a day is there on the next, but not that of a week.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wear/ledger.h"

#define HOUR_NS (3600 * 1000000000ull)
#define DAY     (20ull << 20) /* the budget: 20 MiB a day */
#define BOOT    7u

static struct lb_ledger fresh(void)
{
    struct lb_ledger ledger;

    lb_ledger_begin(&ledger, DAY, HOUR_NS);
    return ledger;
}

/* Transactions of 256 KiB, one after the other, until none may be written; returns what they cost. */
static uint64_t spend_all(struct lb_ledger *ledger, uint64_t now_ns)
{
    uint64_t spent = 0;

    while (lb_ledger_may(ledger, now_ns)) {
        uint64_t cost = lb_ledger_cost(ledger, 256 << 10, 0);

        lb_ledger_spend(ledger, cost, 0, now_ns);
        spent += cost;
    }
    return spent;
}

static void a_day_is_spent_and_passed_by_one_transaction_at_most(void **state)
{
    struct lb_ledger ledger = fresh();
    uint64_t one = lb_ledger_cost(&ledger, 256 << 10, 0), spent = spend_all(&ledger, HOUR_NS);

    (void)state;
    assert_true(spent >= DAY && spent < DAY + one);
    assert_int_equal(lb_ledger_left(&ledger, HOUR_NS), 0);
    assert_int_equal(ledger.spent_bytes, spent);
}

static void over_a_week_no_more_than_a_day_each_and_the_first(void **state)
{
    struct lb_ledger ledger = fresh();
    uint64_t one = lb_ledger_cost(&ledger, 256 << 10, 0), spent = 0;

    (void)state;
    for (uint64_t hour = 1; hour <= 1 + 7 * 24; hour++)
        spent += spend_all(&ledger, hour * HOUR_NS);
    assert_true(spent <= 8 * DAY + one);
    assert_true(spent >= 8 * DAY - one);
}

static void what_is_not_used_is_there_the_next_day_but_not_that_of_a_week(void **state)
{
    struct lb_ledger ledger = fresh();

    (void)state;
    spend_all(&ledger, HOUR_NS);
    assert_in_range(lb_ledger_left(&ledger, 13 * HOUR_NS), DAY / 2 - (320 << 10), DAY / 2);
    assert_int_equal(lb_ledger_left(&ledger, 24 * 8 * HOUR_NS), DAY);
}

static void a_transaction_costs_what_the_model_says(void **state)
{
    struct lb_ledger ledger = fresh();

    (void)state;
    assert_int_equal(lb_ledger_cost(&ledger, 256 << 10, 0), (256 + 49) << 10);
    assert_int_equal(lb_ledger_cost(&ledger, 0, 8), (49 << 10) + 8 * 64);
}

static void an_agent_that_starts_anew_goes_on_where_it_was(void **state)
{
    struct lb_ledger ledger = fresh(), next = fresh();
    uint64_t words[LB_LEDGER_WORDS];

    (void)state;
    spend_all(&ledger, HOUR_NS);
    lb_ledger_save(&ledger, BOOT, 0, words);
    lb_ledger_load(&next, words, LB_LEDGER_WORDS, BOOT, 0, HOUR_NS);
    assert_false(lb_ledger_may(&next, HOUR_NS));
    assert_int_equal(next.spent_bytes, ledger.spent_bytes);
    lb_ledger_load(&next, words, LB_LEDGER_WORDS, BOOT, 0, 13 * HOUR_NS);
    assert_in_range(lb_ledger_left(&next, 13 * HOUR_NS), DAY / 2 - (320 << 10), DAY / 2);
}

static void a_reboot_earns_only_by_a_clock_that_is_known(void **state)
{
    struct lb_ledger ledger = fresh(), next = fresh();
    uint64_t words[LB_LEDGER_WORDS], wall = 1795000000000000000;

    (void)state;
    spend_all(&ledger, HOUR_NS);
    lb_ledger_save(&ledger, BOOT, 0, words);
    lb_ledger_load(&next, words, LB_LEDGER_WORDS, BOOT + 1, wall + 24 * HOUR_NS, 1000);
    assert_false(lb_ledger_may(&next, 1000)); /* it did not know the time when it wrote */
    lb_ledger_save(&ledger, BOOT, wall, words);
    lb_ledger_load(&next, words, LB_LEDGER_WORDS, BOOT + 1, 0, 1000);
    assert_false(lb_ledger_may(&next, 1000)); /* it does not know it now */
    lb_ledger_load(&next, words, LB_LEDGER_WORDS, BOOT + 1, wall + 12 * HOUR_NS, 1000);
    assert_in_range(lb_ledger_left(&next, 1000), DAY / 2 - (320 << 10), DAY / 2);
    lb_ledger_load(&next, words, LB_LEDGER_WORDS, BOOT + 1, wall + 24 * 365 * HOUR_NS, 1000);
    assert_int_equal(lb_ledger_left(&next, 1000) <= DAY, 1);
}

static void words_that_make_no_sense_earn_nothing(void **state)
{
    struct lb_ledger next = fresh();
    uint64_t words[LB_LEDGER_WORDS] = { 99 };

    (void)state;
    lb_ledger_load(&next, words, LB_LEDGER_WORDS, BOOT, 0, HOUR_NS);
    assert_false(lb_ledger_may(&next, HOUR_NS));
    lb_ledger_begin(&next, DAY, HOUR_NS);
    lb_ledger_load(&next, words, 0, BOOT, 0, HOUR_NS);
    assert_true(lb_ledger_may(&next, HOUR_NS)); /* there was no ledger: a card that is new to us */
}

static void the_disks_own_counter_moves_the_model_slowly_and_within_bounds(void **state)
{
    struct lb_ledger ledger = fresh();
    uint64_t cost = lb_ledger_cost(&ledger, 256 << 10, 0);

    (void)state;
    lb_ledger_spend(&ledger, cost, 100 * cost, HOUR_NS); /* somebody else wrote: not ours */
    assert_int_equal(ledger.factor_ppm, LB_LEDGER_PPM);
    for (unsigned i = 0; i < 200; i++)
        lb_ledger_spend(&ledger, lb_ledger_cost(&ledger, 256 << 10, 0), 2 * cost, HOUR_NS);
    assert_in_range(ledger.factor_ppm, 1990000, 2000000);
    assert_in_range(lb_ledger_cost(&ledger, 256 << 10, 0), 2 * cost - 4000, 2 * cost);
}

static void auto_is_a_twentieth_of_what_the_card_takes_in_its_life(void **state)
{
    uint64_t five_years_ms = 5ull * 365 * 86400000, gib = 1ull << 30;

    (void)state;
    /* 32 GB at 1000 cycles and an inner amplification of 4: 8 TB, 4.4 GB a day for everything. */
    assert_in_range(lb_ledger_auto_rate(32000000000, 0, five_years_ms), 215000000, 223000000);
    assert_int_equal(lb_ledger_auto_rate(0, 0, five_years_ms), 0);
    assert_in_range(lb_ledger_auto_rate(0, 30 * 1024 * gib, five_years_ms), 880000000, 906000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_is_spent_and_passed_by_one_transaction_at_most),
        cmocka_unit_test(over_a_week_no_more_than_a_day_each_and_the_first),
        cmocka_unit_test(what_is_not_used_is_there_the_next_day_but_not_that_of_a_week),
        cmocka_unit_test(a_transaction_costs_what_the_model_says),
        cmocka_unit_test(an_agent_that_starts_anew_goes_on_where_it_was),
        cmocka_unit_test(a_reboot_earns_only_by_a_clock_that_is_known),
        cmocka_unit_test(words_that_make_no_sense_earn_nothing),
        cmocka_unit_test(the_disks_own_counter_moves_the_model_slowly_and_within_bounds),
        cmocka_unit_test(auto_is_a_twentieth_of_what_the_card_takes_in_its_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
