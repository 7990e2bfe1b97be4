/* SPDX-License-Identifier: MIT */
/*
 * Disks, and what they are.
 *
 * The story: boards are laid out as their kernels show them, and each disk is told for what it is. Then
 * drivers print nonsense into every file, or have no such file: what makes no sense is not known, and no byte
 * is made up.
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
#define SECTOR    512ull

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
    board_wrote("sda", 9, 36, 0);
    look_for(" sda  dm-0 sda sdz . ../block/dm-0 /dev/sda sda/sda1 ");
    assert_int_equal(disks.count, 2);
    assert_int_equal(disk("sda")->delta_bytes, 20 * SECTOR);
    assert_true(disk("dm-0")->is_flash);
    assert_string_equal(disk("dm-0")->why, "below: does not turn");
    look_for("dm-0");
    assert_int_equal(lb_disks_find(&disks, "sda"), -1);
    assert_false(disks.disk[0].is_present);
}

static void neither_a_cache_nor_a_map_of_nothing_nor_one_path_of_several_is_a_disk(void **state)
{
    static const struct board_disk bcache = { "bcache0", "virtual", 1055,
                                              0,         0,         "size=4096;slaves/sda/dev=808:0" };
    static const struct board_disk map = { "dm-1", "virtual", 1053, 1, 0, "size=4096" };
    static const struct board_disk path = { "nvme0c0n1", "pci0000:00/nvme/nvme0", 1060, 0,
                                            0,           "size=4096;hidden=1" };

    (void)state;
    board_plug(&bcache);
    board_plug(&map);
    board_plug(&path);
    look();
    assert_int_equal(disks.count, 0);
    board_put("/sys/block/nvme0c0n1/hidden", "0\n");
    look();
    assert_int_equal(disks.count, 1);
}

static void zram_and_loop_are_not_worn_but_a_loop_is_watched_by_its_name(void **state)
{
    (void)state;
    board_make(&pi5_zram_file);
    look();
    assert_int_equal(disks.count, 1);
    assert_true(disks.are_all);
    look_for("mmcblk0 loop0");
    assert_false(disks.are_all);
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
    board_put("/sys/block/mmcblk0/stat", "broken again\n");
    look();
    assert_int_equal(disk("mmcblk0")->delta_bytes, 0);
}

static void figures_beyond_reason_are_not_known_and_a_month_13_is_none(void **state)
{
    (void)state;
    board_make(&cm4_emmc);
    board_put("/sys/block/mmcblk0/device/life_time", "0x0b 0x0c\n");
    board_put("/sys/block/mmcblk0/device/pre_eol_info", "0x04\n");
    board_put("/sys/block/mmcblk0/device/date", "13/2022\n");
    board_put("/sys/block/mmcblk0/device/preferred_erase_size", "4294967296\n");
    board_put("/sys/block/mmcblk0/size", "36028797018963969\n");
    board_put("/sys/block/mmcblk0/device/name", "  a  b \n");
    look();
    assert_int_equal(disk("mmcblk0")->unit_bytes, 0);
    assert_int_equal(disk("mmcblk0")->capacity_bytes, 0);
    assert_string_equal(disk("mmcblk0")->model, "a  b (manfid 0x15)");
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
        TEST(neither_a_cache_nor_a_map_of_nothing_nor_one_path_of_several_is_a_disk),
        TEST(zram_and_loop_are_not_worn_but_a_loop_is_watched_by_its_name),
        TEST(a_virtual_machine_and_raw_flash_are_what_they_are),
        TEST(nonsense_in_every_file_is_not_known_and_what_was_read_before_is_not_written_again),
        TEST(figures_beyond_reason_are_not_known_and_a_month_13_is_none),
        TEST(missing_files_are_no_error_and_a_missing_sys_block_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
