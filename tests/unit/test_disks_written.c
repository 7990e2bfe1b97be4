/* SPDX-License-Identifier: MIT */
/*
 * What is written to disks.
 *
 * The story: bytes are written, counters wrap, cards are taken out and others put in, and there are more
 * disks than places. A disk keeps its index through all of it, and no byte is lost or told twice.
 */
#include "agent/wear/disks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_board.h"

#define MINUTE_NS (60 * 1000000000ull)
#define DAY_NS    (1440 * MINUTE_NS)
#define SECTOR    512ull
#define WRAP      (1ull << 32)

static struct lb_disks disks;
static uint64_t now_ns;

static int begin(void **state)
{
    memset(&disks, 0, sizeof disks);
    now_ns = MINUTE_NS;
    return board_begin(state);
}

static void look(void)
{
    now_ns += MINUTE_NS;
    assert_int_equal(lb_disks_sample(&disks, board_root, "auto", now_ns), 0);
}

static const struct lb_disk *disk(const char *name)
{
    int index = lb_disks_find(&disks, name);

    assert_true(index >= 0);
    return &disks.disk[index];
}

/* ---- what is written ---- */

static void the_first_look_takes_the_counter_and_the_next_ones_tell_what_came(void **state)
{
    (void)state;
    board_make(&pi4_sd);
    look();
    assert_int_equal(disk("mmcblk0")->written_bytes, 2048 * SECTOR);
    assert_int_equal(disk("mmcblk0")->delta_bytes, 0);
    assert_int_equal(disk("mmcblk0")->writes, 512); /* 513 of the 1025 were bare flushes */
    assert_int_equal(disk("mmcblk0")->flushes, 513);
    board_wrote("mmcblk0", 1040, 2148, 520);
    look();
    assert_int_equal(disk("mmcblk0")->written_bytes, 2148 * SECTOR);
    assert_int_equal(disk("mmcblk0")->delta_bytes, 100 * SECTOR);
    assert_int_equal(disk("mmcblk0")->writes, 520);
    look();
    assert_int_equal(disk("mmcblk0")->delta_bytes, 0);
}

static void a_kernel_that_counts_no_flushes_leaves_them_unknown(void **state)
{
    (void)state;
    board_make(&pi3_sd);
    board_put("/sys/block/mmcblk0/stat", "1 2 3 4 700 6 2048 8 0 10 11 0 0 0 0\n");
    look();
    assert_int_equal(disk("mmcblk0")->writes, 700);
    assert_true(disk("mmcblk0")->flushes == LB_WEAR_UNKNOWN);
    board_put("/sys/block/mmcblk0/stat", "1 2 3 4 700 6 2048 8 0 10 11\n");
    look();
    assert_true(disk("mmcblk0")->flushes == LB_WEAR_UNKNOWN);
}

static void a_32_bit_counter_wraps_and_no_byte_is_lost(void **state)
{
    (void)state;
    board_make(&pi3_sd);
    board_wrote("mmcblk0", 100, WRAP - 1000, 0);
    look();
    board_wrote("mmcblk0", 110, 500, 0);
    look();
    assert_int_equal(disk("mmcblk0")->delta_bytes, 1500 * SECTOR);
    assert_int_equal(disk("mmcblk0")->written_bytes, (WRAP + 500) * SECTOR);
    board_wrote("mmcblk0", 120, 700, 0);
    look();
    assert_int_equal(disk("mmcblk0")->written_bytes, (WRAP + 700) * SECTOR);
}

static void a_counter_that_begins_anew_is_no_wrap(void **state)
{
    (void)state;
    board_make(&pi3_sd);
    board_wrote("mmcblk0", 100, 20000000, 0);
    look();
    board_wrote("mmcblk0", 3, 64, 0); /* taken out and put in between two looks */
    look();
    assert_int_equal(disk("mmcblk0")->written_bytes, 64 * SECTOR);
    assert_int_equal(disk("mmcblk0")->delta_bytes, 64 * SECTOR);
    board_wrote("mmcblk0", 3, WRAP + 50, 0); /* beyond 32 bits: no counter of theirs wraps */
    look();
    board_wrote("mmcblk0", 4, 100, 0);
    look();
    assert_int_equal(disk("mmcblk0")->written_bytes, 100 * SECTOR);
}

static void a_card_seen_to_be_out_has_begun_anew_however_high_its_counter_was(void **state)
{
    (void)state;
    board_make(&pi3_sd);
    board_wrote("mmcblk0", 100, WRAP - 1000, 0);
    look();
    board_unplug(&pi3_sd.disk[0]);
    look();
    board_plug(&pi3_sd.disk[0]);
    board_wrote("mmcblk0", 4, 500, 0);
    look();
    assert_int_equal(disk("mmcblk0")->written_bytes, 500 * SECTOR);
}

/* ---- out and in ---- */

static void a_card_that_is_taken_out_keeps_its_place_and_its_count(void **state)
{
    (void)state;
    board_make(&pi5_sd_nvme);
    look();
    board_wrote("mmcblk0", 1040, 2148, 520);
    look();
    board_unplug(&pi5_sd_nvme.disk[0]);
    look();
    assert_int_equal(lb_disks_find(&disks, "mmcblk0"), -1);
    assert_string_equal(disks.disk[0].name, "mmcblk0");
    assert_false(disks.disk[0].is_present);
    assert_int_equal(disks.disk[0].written_bytes, 2148 * SECTOR);
    assert_int_equal(disks.disk[0].delta_bytes, 0);
    assert_int_equal(disks.gone_ns[0], now_ns);
    look();
    assert_int_equal(disks.gone_ns[0], now_ns - MINUTE_NS);
    assert_int_equal(lb_disks_find(&disks, "nvme0n1"), 1);
}

static void another_card_in_the_slot_is_another_medium_and_takes_nothing_over(void **state)
{
    uint64_t medium;

    (void)state;
    board_make(&pi3_sd); /* no diskseq: told by what the card says of itself */
    look();
    medium = disk("mmcblk0")->medium;
    disks.disk[0].lifetime_bytes = 77;
    board_wrote("mmcblk0", 1040, 2148, 520);
    look();
    assert_true(disk("mmcblk0")->medium == medium);
    board_put("/sys/block/mmcblk0/device/cid", "1b534d303030303010000000000000ff\n");
    board_put("/sys/block/mmcblk0/device/name", "00000\n");
    board_put("/sys/block/mmcblk0/device/manfid", "0x00001b\n");
    board_wrote("mmcblk0", 5000, 9000, 520);
    look();
    assert_true(disk("mmcblk0")->medium != medium);
    assert_string_equal(disk("mmcblk0")->model, "00000 (manfid 0x1b)");
    assert_int_equal(disk("mmcblk0")->written_bytes, 9000 * SECTOR);
    assert_int_equal(disk("mmcblk0")->delta_bytes, 0);
    assert_true(disk("mmcblk0")->lifetime_bytes == LB_WEAR_UNKNOWN);
    assert_int_equal(disks.count, 1);
}

static void the_kernels_own_number_tells_media_that_look_the_same(void **state)
{
    (void)state;
    board_make(&pi4_sd);
    look();
    assert_int_equal(disk("mmcblk0")->medium, 1);
    board_put("/sys/block/mmcblk0/diskseq", "12\n");
    board_wrote("mmcblk0", 5000, 9000, 520);
    look();
    assert_int_equal(disk("mmcblk0")->medium, 12);
    assert_int_equal(disk("mmcblk0")->delta_bytes, 0);
}

static void a_reader_whose_card_is_out_is_gone_and_comes_back(void **state)
{
    (void)state;
    board_make(&pi4_usb_ssds);
    look();
    board_put("/sys/block/sdb/size", "0\n");
    look();
    assert_int_equal(lb_disks_find(&disks, "sdb"), -1);
    board_put("/sys/block/sdb/size", "976773168\n");
    board_wrote("sdb", 9, 36, 0);
    look();
    assert_int_equal(disk("sdb")->delta_bytes, 20 * SECTOR);
    assert_int_equal(lb_disks_find(&disks, "sdb"), 1);
}

static void plug_sd(char letter)
{
    char name[] = "sd?", where[64];
    struct board_disk stick = { name, where,
                                808,  (unsigned)(letter - 'a') * 16,
                                0,    "size=4096;removable=1;diskseq=50" };

    name[2] = letter;
    snprintf(where, sizeof where, "platform/usb1/1-%c", letter);
    board_plug(&stick);
    board_wrote(name, 1, 8, 0);
}

static void unplug_sd(char letter)
{
    char name[] = "sd?", where[64];
    struct board_disk stick = { name, where, 808, (unsigned)(letter - 'a') * 16, 0, "" };

    name[2] = letter;
    snprintf(where, sizeof where, "platform/usb1/1-%c", letter);
    board_unplug(&stick);
}

static void a_place_is_given_away_when_all_are_taken_and_its_disk_was_gone_for_a_day(void **state)
{
    (void)state;
    for (char letter = 'a'; letter < 'a' + LB_WEAR_DISKS; letter++)
        plug_sd(letter);
    look();
    assert_int_equal(disks.count, LB_WEAR_DISKS);
    assert_int_equal(disks.left_out, 0);
    unplug_sd('c');
    look();
    unplug_sd('b');
    plug_sd('p');
    look();
    assert_int_equal(lb_disks_find(&disks, "sdp"), -1);
    assert_int_equal(disks.left_out, 1);
    now_ns = disks.gone_ns[2] + DAY_NS - 2 * MINUTE_NS;
    look();
    assert_int_equal(disks.left_out, 1);
    now_ns += 10 * MINUTE_NS;
    look();
    assert_int_equal(lb_disks_find(&disks, "sdp"), 2); /* that of sdc, which was gone longest */
    assert_int_equal(disk("sdp")->written_bytes, 8 * SECTOR);
    assert_int_equal(disk("sdp")->delta_bytes, 0);
    assert_int_equal(disks.left_out, 0);
    assert_string_equal(disks.disk[1].name, "sdb");
    assert_false(disks.disk[1].is_present);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, board_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_look_takes_the_counter_and_the_next_ones_tell_what_came),
        TEST(a_kernel_that_counts_no_flushes_leaves_them_unknown),
        TEST(a_32_bit_counter_wraps_and_no_byte_is_lost),
        TEST(a_counter_that_begins_anew_is_no_wrap),
        TEST(a_card_seen_to_be_out_has_begun_anew_however_high_its_counter_was),
        TEST(a_card_that_is_taken_out_keeps_its_place_and_its_count),
        TEST(another_card_in_the_slot_is_another_medium_and_takes_nothing_over),
        TEST(the_kernels_own_number_tells_media_that_look_the_same),
        TEST(a_reader_whose_card_is_out_is_gone_and_comes_back),
        TEST(a_place_is_given_away_when_all_are_taken_and_its_disk_was_gone_for_a_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
