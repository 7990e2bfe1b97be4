/* SPDX-License-Identifier: MIT */
/*
 * Disks and what is written to them.
 *
 * The story: boards are laid out as their kernels show them. What each disk is comes first; then bytes are
 * written, counters wrap, cards are taken out and others put in, readers run short of places, and drivers
 * print nonsense. A disk keeps its index through all of it, and no byte is made up.
 */
#include "agent/wear/disks.h"

#include <errno.h>
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

static void look_for(const char *wanted)
{
    now_ns += MINUTE_NS;
    assert_int_equal(lb_disks_sample(&disks, board_root, wanted, now_ns), 0);
}

static void look(void)
{
    look_for("auto");
}

static const struct lb_disk *disk(const char *name)
{
    int index = lb_disks_find(&disks, name);

    assert_true(index >= 0);
    return &disks.disk[index];
}

/* ---- what they are ---- */

static void an_sd_card_tells_its_name_its_maker_and_its_allocation_unit(void **state)
{
    (void)state;
    board_make(&pi3_sd);
    look();
    assert_int_equal(disks.count, 1);
    assert_string_equal(disk("mmcblk0")->model, "SC32G (manfid 0x03)");
    assert_string_equal(disk("mmcblk0")->made, "08/2021");
    assert_int_equal(disk("mmcblk0")->kind, LB_DISK_SD);
    assert_true(disk("mmcblk0")->is_flash);
    assert_string_equal(disk("mmcblk0")->why, "an SD card");
    assert_int_equal(disk("mmcblk0")->capacity_bytes, 62333952 * SECTOR);
    assert_int_equal(disk("mmcblk0")->unit_bytes, 4194304);
    assert_int_equal(disk("mmcblk0")->life_a, 0);
    assert_int_equal(disk("mmcblk0")->pre_eol, 0);
    assert_true(disk("mmcblk0")->lifetime_bytes == LB_WEAR_UNKNOWN);
}

static void emmc_tells_its_life_and_its_boot_partitions_are_no_disks(void **state)
{
    (void)state;
    board_make(&cm4_emmc);
    look();
    assert_int_equal(disks.count, 1);
    assert_int_equal(disk("mmcblk0")->kind, LB_DISK_EMMC);
    assert_string_equal(disk("mmcblk0")->why, "eMMC");
    assert_int_equal(disk("mmcblk0")->life_a, 1);
    assert_int_equal(disk("mmcblk0")->life_b, 2);
    assert_int_equal(disk("mmcblk0")->pre_eol, 1);
    board_make(&cm5_emmc_worn);
    look();
    assert_int_equal(disk("mmcblk0")->life_a, 3);
    assert_int_equal(disk("mmcblk0")->life_b, 10);
    assert_int_equal(disk("mmcblk0")->pre_eol, 2);
}

static void on_usb_what_says_that_it_turns_is_believed_and_an_empty_reader_is_no_disk(void **state)
{
    (void)state;
    board_make(&pi4_usb_ssds);
    look();
    assert_int_equal(disks.count, 2);
    assert_int_equal(disk("sda")->kind, LB_DISK_USB);
    assert_false(disk("sda")->is_flash);
    assert_string_equal(disk("sda")->why, "says that it turns");
    assert_string_equal(disk("sda")->model, "JMicron Generic");
    assert_int_equal(disk("sdb")->kind, LB_DISK_USB);
    assert_true(disk("sdb")->is_flash);
    assert_string_equal(disk("sdb")->why, "does not turn");
    assert_int_equal(lb_disks_find(&disks, "sdc"), -1);
    board_put("/sys/block/sdc/size", "62333952\n");
    look();
    assert_true(disk("sdc")->is_flash);
    assert_string_equal(disk("sdc")->why, "USB, can be taken out");
    assert_int_equal(disks.left_out, 0);
}

static void a_pc_has_sata_and_nvme_and_neither_a_dvd_nor_an_idle_nbd_is_worn(void **state)
{
    (void)state;
    board_make(&pc_sata_nvme);
    look();
    assert_int_equal(disks.count, 3);
    assert_int_equal(disk("sda")->kind, LB_DISK_SATA);
    assert_string_equal(disk("sda")->model, "Samsung SSD 870");
    assert_true(disk("sda")->is_flash);
    assert_false(disk("sdb")->is_flash);
    assert_int_equal(disk("nvme0n1")->kind, LB_DISK_NVME);
    assert_string_equal(disk("nvme0n1")->model, "WD Blue SN580");
    assert_string_equal(disk("nvme0n1")->made, "");
    board_put("/sys/block/nbd0/size", "4096\n");
    look();
    assert_int_equal(disk("nbd0")->kind, LB_DISK_OTHER);
}

static void what_is_made_of_other_disks_is_left_to_them_unless_it_is_asked_for(void **state)
{
    (void)state;
    board_make(&pc_lvm);
    look();
    assert_int_equal(disks.count, 1);
    assert_string_equal(disks.disk[0].name, "sda");
    look_for(" sda  dm-0 sdz ../sda /dev/sda ");
    assert_int_equal(disks.count, 2);
    assert_true(disk("dm-0")->is_flash);
    assert_string_equal(disk("dm-0")->why, "below: does not turn");
    look_for("dm-0");
    assert_int_equal(lb_disks_find(&disks, "sda"), -1);
    assert_false(disks.disk[0].is_present);
}

static void zram_and_loop_are_not_worn_but_a_loop_is_watched_by_its_name(void **state)
{
    (void)state;
    board_make(&pi5_zram_file);
    look();
    assert_int_equal(disks.count, 1);
    look_for("mmcblk0 loop0");
    assert_int_equal(disk("loop0")->kind, LB_DISK_LOOP);
    assert_true(disk("loop0")->is_flash);
    assert_string_equal(disk("loop0")->why, "below: an SD card");
    assert_int_equal(disk("loop0")->written_bytes, 56 * SECTOR);
}

static void a_virtual_machine_and_raw_flash_are_what_they_are(void **state)
{
    static const struct board_disk vda = { "vda", "pci0000:00/virtio1",
                                           1054,  0,
                                           1,     "size=4096;queue/rotational=0;device/vendor=0x1af4" };
    static const struct board_disk mtd = { "mtdblock3", "platform/spi0/mtd/mtd3",          831, 3,
                                           0,           "size=8192;device/erasesize=65536" };

    (void)state;
    board_plug(&vda);
    board_plug(&mtd);
    look();
    assert_int_equal(disk("vda")->kind, LB_DISK_VIRTUAL);
    assert_false(disk("vda")->is_flash);
    assert_string_equal(disk("vda")->model, "");
    assert_int_equal(disk("mtdblock3")->kind, LB_DISK_MTD);
    assert_true(disk("mtdblock3")->is_flash);
    assert_int_equal(disk("mtdblock3")->unit_bytes, 65536);
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
    board_wrote("mmcblk0", 3, 2 * WRAP, 0); /* beyond 32 bits: no counter of theirs wraps */
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
    look();
    assert_int_equal(lb_disks_find(&disks, "sdp"), 2); /* that of sdc, which was gone longest */
    assert_int_equal(disk("sdp")->written_bytes, 8 * SECTOR);
    assert_int_equal(disk("sdp")->delta_bytes, 0);
    assert_int_equal(disks.left_out, 0);
    assert_string_equal(disks.disk[1].name, "sdb");
    assert_false(disks.disk[1].is_present);
}

/* ---- nonsense ---- */

static const char *const files[] = {
    "stat",         "size",        "diskseq",       "removable",        "queue/rotational",
    "device/type",  "device/name", "device/manfid", "device/date",      "device/preferred_erase_size",
    "device/model", "device/cid",  "device/serial", "device/life_time", "device/pre_eol_info",
};

static void all_files_say(const void *bytes, size_t len)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];

        snprintf(path, sizeof path, "/sys/block/mmcblk0/%s", files[i]);
        board_put_bytes(path, bytes, len);
    }
}

static void nothing_is_made_up(void)
{
    const struct lb_disk *card = disk("mmcblk0");

    assert_int_equal(card->capacity_bytes, 0);
    assert_int_equal(card->unit_bytes, 0);
    assert_int_equal(card->life_a, 0);
    assert_int_equal(card->life_b, 0);
    assert_int_equal(card->pre_eol, 0);
    assert_string_equal(card->made, "");
    assert_int_equal(card->delta_bytes, 0);
    assert_int_equal(card->written_bytes, 0);
    for (const char *at = card->model; *at; at++)
        assert_true(*at >= ' ' && *at <= '~');
}

static void nonsense_in_every_file_is_not_known_and_what_was_read_before_is_not_written_again(void **state)
{
    static const char binary[] = "\x01\xff\x00\x80\x1b[31m\n\xfe";
    static const char *const texts[] = { "",
                                         "\n",
                                         "-1\n",
                                         "-5 -6 -7 -8 -9 -10 -11 -12\n",
                                         "0xff 0xff\n",
                                         "99999999999999999999999999\n",
                                         "1 2 3 4 5 6 99999999999999999999 8\n",
                                         "1 2 3 4 5 6 18446744073709551615 8\n",
                                         "text with a \x1b in it\n",
                                         "1 2 3\n" };
    char huge[9000];

    (void)state;
    board_make(&cm4_emmc);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        memset(&disks, 0, sizeof disks);
        all_files_say(texts[i], strlen(texts[i]));
        look();
        nothing_is_made_up();
    }
    memset(huge, '9', sizeof huge);
    all_files_say(huge, sizeof huge);
    look();
    nothing_is_made_up();
    all_files_say(binary, sizeof binary);
    look();
    nothing_is_made_up();
    board_make(&cm4_emmc);
    look();
    assert_int_equal(disk("mmcblk0")->written_bytes, 8192 * SECTOR);
    assert_int_equal(disk("mmcblk0")->delta_bytes, 0);
    board_put("/sys/block/mmcblk0/stat", "broken\n");
    look();
    assert_int_equal(disk("mmcblk0")->written_bytes, 8192 * SECTOR);
    assert_int_equal(disk("mmcblk0")->delta_bytes, 0);
    board_wrote("mmcblk0", 60, 8200, 0);
    look();
    assert_int_equal(disk("mmcblk0")->delta_bytes, 8 * SECTOR);
}

static void life_beyond_the_standard_is_not_known_and_a_month_13_is_none(void **state)
{
    (void)state;
    board_make(&cm4_emmc);
    board_put("/sys/block/mmcblk0/device/life_time", "0x0b 0x0c\n");
    board_put("/sys/block/mmcblk0/device/pre_eol_info", "0x04\n");
    board_put("/sys/block/mmcblk0/device/date", "13/2022\n");
    look();
    assert_int_equal(disk("mmcblk0")->life_a, 11);
    assert_int_equal(disk("mmcblk0")->life_b, 0);
    assert_int_equal(disk("mmcblk0")->pre_eol, 0);
    assert_string_equal(disk("mmcblk0")->made, "");
}

static void missing_files_are_no_error_and_a_missing_sys_block_is(void **state)
{
    (void)state;
    assert_int_equal(lb_disks_sample(&disks, board_root, "auto", now_ns), -ENOENT);
    board_make(&cm4_emmc);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];

        snprintf(path, sizeof path, "/sys/block/mmcblk0/%s", files[i]);
        board_remove(path);
    }
    look();
    nothing_is_made_up();
    assert_string_equal(disk("mmcblk0")->model, "");
    assert_true(disk("mmcblk0")->is_flash);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, board_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_sd_card_tells_its_name_its_maker_and_its_allocation_unit),
        TEST(emmc_tells_its_life_and_its_boot_partitions_are_no_disks),
        TEST(on_usb_what_says_that_it_turns_is_believed_and_an_empty_reader_is_no_disk),
        TEST(a_pc_has_sata_and_nvme_and_neither_a_dvd_nor_an_idle_nbd_is_worn),
        TEST(what_is_made_of_other_disks_is_left_to_them_unless_it_is_asked_for),
        TEST(zram_and_loop_are_not_worn_but_a_loop_is_watched_by_its_name),
        TEST(a_virtual_machine_and_raw_flash_are_what_they_are),
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
        TEST(nonsense_in_every_file_is_not_known_and_what_was_read_before_is_not_written_again),
        TEST(life_beyond_the_standard_is_not_known_and_a_month_13_is_none),
        TEST(missing_files_are_no_error_and_a_missing_sys_block_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
