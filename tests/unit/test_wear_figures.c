/* SPDX-License-Identifier: MIT */
/*
 * What follows from the counts.
 *
 * The story: a card of 32 GB that is written to, slowly or fast, for an hour or for years. How long it will
 * last is told as soon as it can be known, by the worst of what is known; and what is not known is said to be
 * so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_wear.h"

#define SD      0
#define MIB     WEAR_MIB
#define DAY_S   86400ull
#define TB      1000000000000ull
#define CARD    (&wear.view.disk[SD])
#define FIGURES (&wear.view.figures[SD])

static int one_card(void **state)
{
    wear_begin(state);
    wear_disk("mmcblk0");
    wear_look(0);
    return 0;
}

/* A MiB a minute, so 1440 MiB a day. */
static void write_for(uint64_t minutes)
{
    for (; minutes > 0; minutes--) {
        wear_write(WEAR_NOBODY, SD, MIB);
        wear_look(60);
    }
}

/* ---- rate ---- */

static void before_an_hour_the_rate_is_that_since_the_start(void **state)
{
    (void)state;
    CARD->written_bytes = 10 * MIB; /* in ten hours */
    wear_look(1);
    assert_int_equal(FIGURES->rate_per_day, 10 * MIB * DAY_S / (WEAR_BEGAN_S + 1));
    assert_int_equal(FIGURES->day_span_s, 1);
}

static void a_machine_that_has_just_started_knows_no_rate(void **state)
{
    wear_begin(state);
    wear.now_ns = 30 * WEAR_S;
    wear_disk("mmcblk0");
    wear_look(0);
    write_for(58);
    assert_int_equal(FIGURES->rate_per_day, LB_WEAR_UNKNOWN);
    assert_int_equal(FIGURES->life_left_s, LB_WEAR_UNKNOWN);
    assert_int_equal(FIGURES->hour_bytes, 58 * MIB);
    write_for(2);
    assert_int_equal(FIGURES->rate_per_day, 1440 * MIB);
}

static void after_an_hour_the_rate_is_that_of_the_looks(void **state)
{
    (void)state;
    CARD->written_bytes = 1000 * WEAR_GIB;
    write_for(60);
    assert_int_equal(FIGURES->rate_per_day, 1440 * MIB);
    assert_int_equal(FIGURES->day_bytes, 60 * MIB);
    assert_int_equal(FIGURES->day_span_s, 3600);
}

static void a_day_forgets_the_day_before(void **state)
{
    (void)state;
    wear.history_s = 2 * DAY_S;
    wear_write(WEAR_NOBODY, SD, 1000 * WEAR_GIB);
    wear_look(60);
    write_for(1440 + 20);
    assert_in_range(FIGURES->day_bytes, 1420 * MIB, 1440 * MIB);
    assert_int_equal(FIGURES->rate_per_day, 1440 * MIB);
    assert_in_range(FIGURES->day_span_s, DAY_S - 1200, DAY_S);
}

static void of_longer_buckets_a_day_has_those_that_began_in_it(void **state)
{
    (void)state;
    wear.history_s = 31 * DAY_S; /* five hours each, and more: a day is no multiple of them */
    write_for(3 * 1440 + 77);
    assert_int_equal(FIGURES->rate_per_day, 1440 * MIB);
    assert_in_range(FIGURES->day_span_s, DAY_S - wear.view.bucket_s, DAY_S);
    assert_int_equal(FIGURES->day_bytes, FIGURES->day_span_s / 60 * MIB);
}

static void of_a_gap_of_days_a_day_has_its_part(void **state)
{
    (void)state;
    wear_write(WEAR_NOBODY, SD, 10 * 1440 * MIB);
    wear_look(10 * DAY_S);
    assert_int_equal(FIGURES->rate_per_day, 1440 * MIB);
    assert_int_equal(FIGURES->day_bytes, 1440 * MIB);
    assert_int_equal(FIGURES->day_span_s, DAY_S);
}

static void a_disk_that_came_later_is_judged_by_its_own_time(void **state)
{
    uint32_t stick;

    (void)state;
    write_for(300);
    stick = wear_disk("sda");
    wear_look(0);
    wear_write(WEAR_NOBODY, stick, 30 * MIB);
    wear_look(1800);
    assert_int_equal(wear.view.figures[stick].rate_per_day, LB_WEAR_UNKNOWN); /* nor by the machine's start */
    assert_int_equal(wear.view.figures[stick].day_span_s, 1800);
    wear_write(WEAR_NOBODY, stick, 30 * MIB);
    wear_look(1800);
    assert_int_equal(wear.view.figures[stick].rate_per_day, 1440 * MIB);
    assert_int_equal(FIGURES->day_bytes, 300 * MIB);
    assert_int_equal(FIGURES->day_span_s, 300 * 60 + 3600);
}

/* ---- endurance ---- */

static void endurance_is_estimated_from_the_size(void **state)
{
    (void)state;
    assert_int_equal(FIGURES->endurance_bytes, 8 * TB);
    assert_false(FIGURES->is_endurance_told);
}

static void endurance_that_is_told_counts(void **state)
{
    (void)state;
    wear.limits.endurance_bytes = 30 * TB;
    wear_look(60);
    assert_int_equal(FIGURES->endurance_bytes, 30 * TB);
    assert_true(FIGURES->is_endurance_told);
}

static void what_is_not_flash_or_has_no_size_has_none(void **state)
{
    (void)state;
    CARD->capacity_bytes = 0;
    wear_look(60);
    assert_int_equal(FIGURES->endurance_bytes, LB_WEAR_UNKNOWN);
    CARD->capacity_bytes = 32000000000;
    CARD->is_flash = false;
    wear.limits.endurance_bytes = 30 * TB;
    wear_look(60);
    assert_int_equal(FIGURES->endurance_bytes, LB_WEAR_UNKNOWN);
    assert_false(FIGURES->is_endurance_told);
    assert_int_equal(FIGURES->life_left_s, LB_WEAR_UNKNOWN);
}

/* ---- life ---- */

static uint64_t life_of(uint64_t left_bytes)
{
    return (uint64_t)((double)left_bytes / (double)FIGURES->rate_per_day * DAY_S);
}

static void life_left_is_what_is_left_at_this_rate(void **state)
{
    (void)state;
    write_for(60);
    assert_int_equal(FIGURES->life_left_s, life_of(8 * TB - 60 * MIB));
}

static void what_file_systems_remember_of_all_boots_is_used(void **state)
{
    (void)state;
    CARD->lifetime_bytes = 6 * TB;
    write_for(60);
    assert_int_equal(FIGURES->life_left_s, life_of(2 * TB));
    CARD->lifetime_bytes = MIB; /* made anew: less than was written since this start */
    write_for(60);
    assert_int_equal(FIGURES->life_left_s, life_of(8 * TB - 120 * MIB));
}

static void the_health_register_counts_where_it_says_worse(void **state)
{
    (void)state;
    CARD->life_a = 1; /* of its first tenth, which is nothing that is known to be used */
    write_for(60);
    assert_int_equal(FIGURES->life_left_s, life_of(8 * TB - 60 * MIB));
    CARD->life_b = 10; /* the worse of the two: nine tenths are used at least */
    write_for(60);
    assert_int_equal(FIGURES->life_left_s, life_of(8 * TB / 10));
    CARD->lifetime_bytes = 79 * TB / 10;
    write_for(60);
    assert_int_equal(FIGURES->life_left_s, life_of(TB / 10));
}

static void past_its_life_nothing_is_left(void **state)
{
    (void)state;
    CARD->lifetime_bytes = 8 * TB;
    write_for(60);
    assert_int_equal(FIGURES->life_left_s, 0);
    CARD->lifetime_bytes = LB_WEAR_UNKNOWN;
    CARD->life_a = 11;
    wear.limits.endurance_bytes = 8 * TB + 9; /* whatever a tenth of it is */
    write_for(60);
    assert_int_equal(FIGURES->life_left_s, 0);
}

static void where_nothing_is_written_there_is_no_telling(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        wear_look(60);
    assert_int_equal(FIGURES->rate_per_day, 0);
    assert_int_equal(FIGURES->life_left_s, LB_WEAR_UNKNOWN);
    CARD->life_a = 11; /* but this is told */
    wear.limits.endurance_bytes = 8 * TB + 9;
    wear_look(60);
    assert_int_equal(FIGURES->life_left_s, 0);
}

static void a_life_beyond_all_numbers_is_long_and_not_unknown(void **state)
{
    wear_begin(state);
    wear.now_ns = 400 * DAY_S * WEAR_S;
    wear_disk("nvme0n1");
    wear.view.disk[SD].written_bytes = 512;
    wear.limits.endurance_bytes = 1024 * 1024 * WEAR_GIB;
    wear_look(0);
    assert_int_equal(FIGURES->rate_per_day, 1);
    assert_true(FIGURES->life_left_s > 1000ull * 1000 * 365 * DAY_S);
    assert_int_not_equal(FIGURES->life_left_s, LB_WEAR_UNKNOWN);
}

/* ---- what nobody accounts for ---- */

static void the_rest_is_what_programs_did_not_write(void **state)
{
    uint32_t web = wear_program("web", ""), db = wear_program("db", "");

    (void)state;
    wear_write(web, SD, 3 * MIB);
    wear_write(db, SD, 2 * MIB);
    wear_write(WEAR_NOBODY, SD, 4 * MIB);
    wear_look(60);
    assert_int_equal(FIGURES->looked_bytes, 9 * MIB);
    assert_int_equal(FIGURES->unattributed_bytes, 4 * MIB);
}

static void the_rest_is_never_less_than_nothing(void **state)
{
    uint32_t web = wear_program("web", "");

    (void)state;
    wear_write(web, SD, 3 * MIB);
    wear.looked[SD] = MIB;
    wear_look(60);
    assert_int_equal(FIGURES->unattributed_bytes, 0);
}

#define CLAIM(name) cmocka_unit_test_setup(name, one_card)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(before_an_hour_the_rate_is_that_since_the_start),
        CLAIM(a_machine_that_has_just_started_knows_no_rate),
        CLAIM(after_an_hour_the_rate_is_that_of_the_looks),
        CLAIM(a_day_forgets_the_day_before),
        CLAIM(of_longer_buckets_a_day_has_those_that_began_in_it),
        CLAIM(of_a_gap_of_days_a_day_has_its_part),
        CLAIM(a_disk_that_came_later_is_judged_by_its_own_time),
        CLAIM(endurance_is_estimated_from_the_size),
        CLAIM(endurance_that_is_told_counts),
        CLAIM(what_is_not_flash_or_has_no_size_has_none),
        CLAIM(life_left_is_what_is_left_at_this_rate),
        CLAIM(what_file_systems_remember_of_all_boots_is_used),
        CLAIM(the_health_register_counts_where_it_says_worse),
        CLAIM(past_its_life_nothing_is_left),
        CLAIM(where_nothing_is_written_there_is_no_telling),
        CLAIM(a_life_beyond_all_numbers_is_long_and_not_unknown),
        CLAIM(the_rest_is_what_programs_did_not_write),
        CLAIM(the_rest_is_never_less_than_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
