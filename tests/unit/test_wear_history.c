/* SPDX-License-Identifier: MIT */
/*
 * The past of disks and programs.
 *
 * The story: a device looks at its card, each second or each ten minutes, and for days not at all. Whatever
 * the pace, a sum of an hour is an hour's; what was told of a program stays with it when it is merged, and of
 * a card when another is put in, nothing stays. There is room for so much and no more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_wear.h"

#define SD         0
#define MIB        WEAR_MIB
#define TOLERATED  1 /* in bytes for each minute: what a part of one is rounded by */
#define OTHERS     (LB_WEAR_PROGRAMS - 1)
#define BUCKET_NOW (wear.view.bucket[wear.view.buckets - 1])

static int one_card(void **state)
{
    wear_begin(state);
    wear_disk("mmcblk0");
    wear_program("web", "web.service");
    wear_look(0);
    return 0;
}

static uint64_t hour(void)
{
    return lb_history_hour(&wear.history, SD);
}

/* A MiB a minute, looked at so many times, so many seconds apart. */
static void write_steadily(uint64_t seconds, unsigned looks)
{
    for (unsigned i = 0; i < looks; i++) {
        wear_write(0, SD, MIB * seconds / 60);
        wear_look(seconds);
    }
}

static void is_about(uint64_t is, uint64_t wanted, uint64_t by)
{
    assert_in_range(is, wanted - by, wanted + by);
}

/* ---- an hour ---- */

static void the_first_look_tells_of_no_time(void **state)
{
    (void)state;
    assert_int_equal(wear.view.buckets, 1);
    assert_int_equal(BUCKET_NOW.covered_s, 0);
    assert_int_equal(hour(), 0);
    assert_int_equal(lb_history_program_hour(&wear.history, 0, SD), 0);
}

static void an_hour_is_an_hour_at_any_pace(void **state)
{
    static const uint64_t paces_s[] = { 1, 7, 59, 60, 61, 600, 2400, 3600 };

    for (size_t i = 0; i < sizeof paces_s / sizeof paces_s[0]; i++) {
        one_card(state);
        write_steadily(paces_s[i], (unsigned)(4 * 3600 / paces_s[i]));
        is_about(hour(), 60 * MIB, 4096);
        is_about(lb_history_program_hour(&wear.history, 0, SD), 60 * MIB, 4096);
        is_about(lb_history_program_hour(&wear.history, 0, LB_WEAR_DISKS), 60 * MIB, 4096);
    }
}

static void less_than_an_hour_is_what_is_known(void **state)
{
    (void)state;
    write_steadily(10, 60);
    assert_int_equal(hour(), 60 * (MIB * 10 / 60));
}

static void of_a_gap_of_days_an_hour_has_its_part(void **state)
{
    (void)state;
    write_steadily(60, 120);
    wear_write(0, SD, 4800 * MIB);
    wear_look(2 * 86400);
    is_about(hour(), 100 * MIB, TOLERATED);
    is_about(lb_history_program_hour(&wear.history, 0, SD), 100 * MIB, TOLERATED);
    wear_look(1800); /* and half an hour after, the half of it */
    is_about(hour(), 50 * MIB, TOLERATED);
    wear_look(1800);
    assert_int_equal(hour(), 0);
}

static void a_burst_is_there_for_an_hour_and_then_gone(void **state)
{
    for (unsigned before = 90; before < 92; before++) {
        one_card(state);
        write_steadily(60, before);
        wear_write(0, SD, 7000 * MIB);
        wear_look(60);
        for (unsigned minute = 0; minute < 59; minute++) {
            assert_true(hour() >= 7000 * MIB);
            wear_look(60);
        }
        wear_look(60);
        assert_int_equal(hour(), 0);
    }
}

static void a_program_has_an_hour_on_each_disk_and_on_all(void **state)
{
    uint32_t stick = wear_disk("sda"), db = wear_program("db", "");

    (void)state;
    wear_write(0, SD, 3 * MIB);
    wear_write(0, stick, 5 * MIB);
    wear_write(db, stick, 7 * MIB);
    wear_write(WEAR_NOBODY, stick, 11 * MIB);
    wear_look(60);
    assert_int_equal(lb_history_hour(&wear.history, stick), 23 * MIB);
    assert_int_equal(lb_history_program_hour(&wear.history, 0, SD), 3 * MIB);
    assert_int_equal(lb_history_program_hour(&wear.history, 0, stick), 5 * MIB);
    assert_int_equal(lb_history_program_hour(&wear.history, 0, LB_WEAR_DISKS), 8 * MIB);
    assert_int_equal(lb_history_program_hour(&wear.history, db, SD), 0);
    assert_int_equal(lb_history_program_hour(&wear.history, db, stick), 7 * MIB);
}

/* ---- buckets ---- */

static void buckets_begin_at_round_times_and_roll_over(void **state)
{
    wear_begin(state);
    wear_disk("mmcblk0");
    wear_program("web", "");
    wear_look(240);
    write_steadily(60, 5);
    assert_int_equal(wear.view.buckets, 1);
    write_steadily(60, 1);
    assert_int_equal(wear.view.buckets, 2);
    assert_int_equal(wear.view.bucket_s, 600);
    assert_int_equal(wear.view.bucket[0].start_ns, WEAR_BEGAN_S * WEAR_S);
    assert_int_equal(wear.view.bucket[1].start_ns, (WEAR_BEGAN_S + 600) * WEAR_S);
    assert_int_equal(wear.view.bucket[0].disk_bytes[SD], 5 * MIB);
    assert_int_equal(wear.view.bucket[0].program_kib[0][SD], 5 * 1024);
    assert_int_equal(wear.view.bucket[0].covered_s, 300);
    assert_int_equal(wear.view.bucket[1].disk_bytes[SD], MIB);
}

static void a_full_past_loses_its_oldest(void **state)
{
    (void)state;
    write_steadily(600, 2 * LB_WEAR_BUCKETS);
    assert_int_equal(wear.view.buckets, LB_WEAR_BUCKETS);
    for (uint32_t i = 0; i < LB_WEAR_BUCKETS; i++) {
        assert_int_equal(wear.view.bucket[i].start_ns,
                         (WEAR_BEGAN_S + (LB_WEAR_BUCKETS + 1 + i) * 600ull) * WEAR_S);
        assert_int_equal(wear.view.bucket[i].disk_bytes[SD], 10 * MIB);
        assert_int_equal(wear.view.bucket[i].covered_s, 600);
    }
}

static void what_a_gap_told_is_in_one_bucket_with_all_the_time_it_took(void **state)
{
    (void)state;
    wear_write(0, SD, 4800 * MIB);
    wear_look(2 * 86400);
    assert_int_equal(wear.view.buckets, 2);
    assert_int_equal(BUCKET_NOW.disk_bytes[SD], 4800 * MIB);
    assert_int_equal(BUCKET_NOW.covered_s, 2 * 86400);
}

static void seconds_are_not_lost_to_looks_that_come_a_little_late(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        wear.now_ns += 400000000; /* 1.4 s apart */
        wear_look(1);
    }
    assert_int_equal(wear.view.bucket[0].covered_s, 420);
}

static void another_length_begins_the_past_anew_but_not_the_hour(void **state)
{
    (void)state;
    write_steadily(60, 30);
    wear.history_s = 7 * 86400;
    write_steadily(60, 1);
    assert_int_equal(wear.view.buckets, 1);
    assert_int_equal(wear.view.bucket_s, 4200);
    assert_int_equal(BUCKET_NOW.disk_bytes[SD], MIB);
    assert_int_equal(BUCKET_NOW.program_kib[0][SD], 1024);
    is_about(hour(), 31 * MIB, TOLERATED);
    wear.history_s = 1; /* less than a minute each is not kept */
    wear_look(1);
    assert_int_equal(wear.view.bucket_s, 60);
}

/* ---- programs and disks that change ---- */

static void what_is_below_a_kib_is_not_lost_over_many_looks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1024; i++) {
        wear_write(0, SD, 100);
        wear_look(1);
    }
    assert_int_equal(lb_history_program_hour(&wear.history, 0, SD), 100 * WEAR_KIB);
}

static void a_sum_beyond_four_tib_goes_on(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        wear_write(0, SD, 1000 * WEAR_GIB);
        wear_look(60);
    }
    assert_int_equal(lb_history_program_hour(&wear.history, 0, SD), 9000 * WEAR_GIB);
}

static void a_program_that_is_merged_takes_its_past_along(void **state)
{
    (void)state;
    while (wear.view.programs < LB_WEAR_PROGRAMS)
        wear_program("other", "");
    write_steadily(60, 5);
    wear_write(OTHERS, SD, 2 * MIB);
    wear_look(60);
    wear_merge(0, OTHERS);
    wear_write(0, SD, 7 * MIB); /* another program has the place now */
    wear_look(60);
    assert_int_equal(lb_history_program_hour(&wear.history, 0, SD), 7 * MIB);
    assert_int_equal(lb_history_program_hour(&wear.history, OTHERS, SD), 7 * MIB);
    assert_int_equal(BUCKET_NOW.program_kib[0][SD], 7 * 1024);
    assert_int_equal(BUCKET_NOW.program_kib[OTHERS][SD], 7 * 1024);
    wear_look(60); /* nothing is told twice */
    assert_int_equal(lb_history_program_hour(&wear.history, OTHERS, SD), 7 * MIB);
}

static void halves_of_a_kib_that_are_merged_make_one(void **state)
{
    uint32_t other = wear_program("other", "");

    (void)state;
    wear_write(0, SD, 600);
    wear_write(other, SD, 600);
    wear_look(60);
    wear_merge(0, other);
    wear_look(60);
    assert_int_equal(lb_history_program_hour(&wear.history, other, SD), WEAR_KIB);
}

static void another_card_in_the_slot_has_a_past_of_its_own(void **state)
{
    uint32_t stick = wear_disk("sda");

    (void)state;
    wear_write(0, stick, 3 * MIB);
    write_steadily(60, 30);
    wear.view.disk[SD].medium = 99;
    wear.view.program[0].bytes[SD] = 0; /* who follows programs has forgotten it, too */
    wear_look(60);
    assert_int_equal(hour(), 0);
    assert_int_equal(lb_history_program_hour(&wear.history, 0, SD), 0);
    assert_int_equal(lb_history_program_hour(&wear.history, 0, stick), 3 * MIB);
    assert_int_equal(wear.history.since_ns[SD], wear.now_ns);
    for (uint32_t i = 0; i < wear.view.buckets; i++)
        assert_int_equal(wear.view.bucket[i].disk_bytes[SD] + wear.view.bucket[i].program_kib[0][SD], 0);
    write_steadily(60, 2); /* the first bytes of the new one count, less than there were of the old */
    assert_int_equal(hour(), 2 * MIB);
    assert_int_equal(lb_history_program_hour(&wear.history, 0, SD), 2 * MIB);
}

static void another_disk_in_the_place_of_one_that_went_as_well(void **state)
{
    (void)state;
    write_steadily(60, 30);
    strcpy(wear.view.disk[SD].name, "sdb");
    wear.view.program[0].bytes[SD] = 0;
    write_steadily(60, 1);
    assert_int_equal(hour(), MIB);
}

/* ---- the agent's own ---- */

static void books_count_from_the_first_look_on(void **state)
{
    wear_begin(state);
    wear.books = (struct lb_wear_books) {
        .lines_in = 500, .lines_delivered = 400, .lines_lost = 9, .body_bytes = 50000, .backlog_permille = 7
    };
    wear_look(0);
    assert_int_equal(BUCKET_NOW.lines_in, 0);
    assert_int_equal(BUCKET_NOW.backlog_permille, 7);
    wear.books = (struct lb_wear_books) {
        .lines_in = 510, .lines_delivered = 420, .lines_lost = 10, .body_bytes = 50900, .ring_permille = 30
    };
    wear_look(60);
    assert_int_equal(BUCKET_NOW.lines_in, 10);
    assert_int_equal(BUCKET_NOW.lines_delivered, 20);
    assert_int_equal(BUCKET_NOW.lines_lost, 1);
    assert_int_equal(BUCKET_NOW.body_bytes, 900);
    assert_int_equal(BUCKET_NOW.backlog_permille, 0);
    assert_int_equal(BUCKET_NOW.ring_permille, 30);
}

static void books_that_go_back_take_nothing_away(void **state)
{
    (void)state;
    wear.books.lines_in = 100;
    wear_look(60);
    wear.books.lines_in = 90;
    wear_look(60);
    assert_int_equal(BUCKET_NOW.lines_in, 100);
    wear.books.lines_in = 95;
    wear_look(60);
    assert_int_equal(BUCKET_NOW.lines_in, 105);
}

static void that_the_sink_was_away_stays_with_its_bucket(void **state)
{
    (void)state;
    wear.books.is_away = true;
    wear_look(60);
    wear.books.is_away = false;
    wear_look(60);
    assert_true(BUCKET_NOW.was_away);
    wear_look(600);
    assert_false(BUCKET_NOW.was_away);
    assert_true(wear.view.bucket[0].was_away);
}

#define CLAIM(name) cmocka_unit_test_setup(name, one_card)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(the_first_look_tells_of_no_time),
        CLAIM(an_hour_is_an_hour_at_any_pace),
        CLAIM(less_than_an_hour_is_what_is_known),
        CLAIM(of_a_gap_of_days_an_hour_has_its_part),
        CLAIM(a_burst_is_there_for_an_hour_and_then_gone),
        CLAIM(a_program_has_an_hour_on_each_disk_and_on_all),
        CLAIM(buckets_begin_at_round_times_and_roll_over),
        CLAIM(a_full_past_loses_its_oldest),
        CLAIM(what_a_gap_told_is_in_one_bucket_with_all_the_time_it_took),
        CLAIM(seconds_are_not_lost_to_looks_that_come_a_little_late),
        CLAIM(another_length_begins_the_past_anew_but_not_the_hour),
        CLAIM(what_is_below_a_kib_is_not_lost_over_many_looks),
        CLAIM(a_sum_beyond_four_tib_goes_on),
        CLAIM(a_program_that_is_merged_takes_its_past_along),
        CLAIM(halves_of_a_kib_that_are_merged_make_one),
        CLAIM(another_card_in_the_slot_has_a_past_of_its_own),
        CLAIM(another_disk_in_the_place_of_one_that_went_as_well),
        CLAIM(books_count_from_the_first_look_on),
        CLAIM(books_that_go_back_take_nothing_away),
        CLAIM(that_the_sink_was_away_stays_with_its_bucket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
