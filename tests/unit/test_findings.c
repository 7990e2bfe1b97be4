/* SPDX-License-Identifier: MIT */
/*
 * What of disks and file systems could be otherwise.
 *
 * The story: boards that are well have no finding. Then each thing that wears a card, or tells of its end, is
 * put on one of them: it is found, with a line that says what to do, and is no longer found when it is
 * mended.
 */
#include "agent/wear/filesystems.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_board.h"

static struct lb_disks disks;
static struct lb_filesystems systems;
static struct lb_finding findings[LB_WEAR_FINDINGS];
static uint32_t found;

static int begin(void **state)
{
    memset(&disks, 0, sizeof disks);
    memset(&systems, 0, sizeof systems);
    return board_begin(state);
}

static void look_for(const char *wanted)
{
    assert_int_equal(lb_disks_sample(&disks, board_root, wanted, 1), 0);
    assert_int_equal(lb_filesystems_sample(&systems, board_root, &disks), 0);
    memset(findings, 0xff, sizeof findings);
    found = lb_filesystems_find(&systems, board_root, &disks, findings);
}

static void look(void)
{
    look_for("auto");
}

static const struct lb_filesystem *on(const char *device)
{
    for (uint32_t i = 0; i < systems.count; i++)
        if (strcmp(systems.at[i].device, device) == 0)
            return &systems.at[i];
    fail_msg("no file system on %s", device);
    return NULL;
}

static void mounts(const char *lines)
{
    board_put("/proc/self/mountinfo", lines);
}

/* The first finding that begins so; it has advice, and both fit. */
static const struct lb_finding *finding(const char *start)
{
    for (uint32_t i = 0; i < found; i++)
        if (strncmp(findings[i].what, start, strlen(start)) == 0) {
            assert_true(findings[i].advice[0] != '\0');
            assert_true(strlen(findings[i].advice) < sizeof findings[i].advice - 1);
            return &findings[i];
        }
    fail_msg("nothing says: %s", start);
    return NULL;
}

static void a_board_that_is_well_has_no_finding(void **state)
{
    (void)state;
    board_make(&pi4_sd);
    look();
    assert_int_equal(found, 0);
    board_make(&cm4_emmc);
    look();
    assert_int_equal(found, 0);
}

/* ---- swap ---- */

static void a_swap_file_on_the_card_is_found_by_the_mount_that_it_lies_on(void **state)
{
    (void)state;
    board_make(&pi3_sd);
    look();
    assert_int_equal(found, 1);
    assert_string_equal(findings[0].what, "swap on mmcblk0: /var/swap, 100M, 12M used");
    assert_int_equal(findings[0].disk, 0);
    assert_non_null(strstr(finding("swap on")->advice, "apt install zram-tools"));
    board_put("/proc/swaps", "Filename Type Size Used Priority\n/data/my\\040swap file 700 0 -2\n");
    mounts("21 1 979:2 / / rw,noatime - ext4 /dev/root rw\n22 21 0:40 / /data rw - tmpfs tmpfs rw\n");
    look();
    assert_int_equal(found, 0);
    mounts("21 1 979:2 / / rw,noatime - ext4 /dev/root rw\n");
    look();
    assert_string_equal(findings[0].what, "swap on mmcblk0: /data/my swap, 700K, 0 used");
}

static void a_swap_partition_on_flash_is_found_also_below_lvm(void **state)
{
    (void)state;
    board_make(&pi5_sd_nvme);
    look();
    assert_string_equal(finding("swap on")->what, "swap on nvme0n1: /dev/nvme0n1p2, 2048M, 0 used");
    assert_int_equal(finding("swap on")->disk, lb_disks_find(&disks, "nvme0n1"));
    look_for("mmcblk0");
    assert_int_equal(finding("swap on")->disk, UINT32_MAX);
}

static void swap_on_lvm_wears_the_disk_below(void **state)
{
    (void)state;
    board_make(&pc_lvm);
    look();
    assert_string_equal(finding("swap on")->what, "swap on sda: /dev/dm-0, 1024M, 512K used");
}

static void zram_is_swap_as_it_should_be_unless_it_writes_out_to_the_card(void **state)
{
    (void)state;
    board_make(&pi5_zram);
    look();
    assert_int_equal(found, 0);
    board_make(&pi5_zram_file);
    look();
    assert_int_equal(found, 1);
    assert_string_equal(findings[0].what, "swap on mmcblk0: zram0 writes out to /dev/loop0, 12M so far");
    assert_int_equal(findings[0].disk, 0);
    assert_non_null(strstr(finding("swap on")->advice, "Mechanism=zram"));
    board_remove("/proc/swaps");
    board_put("/sys/block/zram0/bd_stat", "broken\n");
    look();
    assert_string_equal(findings[0].what, "swap on mmcblk0: zram0 writes out to /dev/loop0");
    board_put("/sys/block/zram0/backing_dev", "\n");
    look();
    assert_int_equal(found, 0);
}

static void swaps_that_are_hidden_or_make_no_sense_are_not_found(void **state)
{
    (void)state;
    board_make(&pi3_sd);
    board_put("/proc/swaps", "Filename Type Size Used Priority\n\n/\n/var/swap file -1 0 0\n"
                             "/var/swap file 18446744073709551615 0 0\n/var/swap file 99999999999999999999 0 "
                             "0\nvar/swap file 1 0 0\n"
                             "/dev/ partition 1 1 1\n/dev/nothing partition 1 1 1\n/var/swap file 1\n");
    look();
    assert_int_equal(found, 0);
    board_remove("/proc/swaps");
    look();
    assert_int_equal(found, 0);
}

/* ---- mount options ---- */

static void what_writes_at_each_read_or_waits_for_each_write_is_found_on_flash_only(void **state)
{
    (void)state;
    board_make(&pi4_sd);
    mounts("21 1 979:2 / / rw - ext4 /dev/root rw,sync\n");
    look();
    assert_int_equal(found, 2);
    assert_string_equal(finding("/ (mmcblk0p2) waits")->what, "/ (mmcblk0p2) waits for each write (sync)");
    assert_non_null(strstr(finding("/ (mmcblk0p2) writes")->advice, "noatime"));
    mounts("21 1 979:2 / / rw,nodiratime - ext4 /dev/root rw,lazytime,async\n");
    look();
    assert_int_equal(found, 0);
    mounts("21 1 979:2 / / ro - ext4 /dev/root ro,sync\n");
    memset(&systems, 0, sizeof systems);
    look();
    assert_int_equal(found, 0);
}

static void a_disk_that_turns_may_write_at_each_read(void **state)
{
    (void)state;
    board_make(&pc_sata_nvme);
    look();
    assert_true(on("sdb1")->updates_atime);
    assert_int_equal(found, 0);
    board_make(&pi4_usb_ssds);
    look();
    assert_true(on("sda1")->is_sync);
    assert_int_equal(found, 0);
}

/* ---- the end of a card ---- */

static void a_file_system_that_was_writable_has_gone_read_only_until_it_is_writable_again(void **state)
{
    static const char *const broken = "21 1 979:2 / / rw,noatime - ext4 /dev/root ro\n";

    (void)state;
    board_make(&pi4_sd);
    look();
    mounts(broken);
    board_put("/sys/fs/ext4/mmcblk0p2/errors_count", "3\n");
    look();
    assert_true(on("mmcblk0p2")->is_read_only);
    assert_true(on("mmcblk0p2")->was_writable);
    assert_string_equal(finding("/ (mmcblk0p2)")->what, "/ (mmcblk0p2) went read-only, 3 errors counted");
    look();
    look();
    assert_true(on("mmcblk0p2")->was_writable);
    mounts("21 1 979:2 / / rw,noatime - ext4 /dev/root rw\n");
    look();
    assert_false(on("mmcblk0p2")->was_writable);
    assert_string_equal(finding("/ (mmcblk0p2)")->what, "/ (mmcblk0p2): 3 errors counted by ext4");
    board_put("/sys/fs/ext4/mmcblk0p2/errors_count", "0\n");
    look();
    assert_int_equal(found, 0);
}

static void one_that_stops_at_errors_and_has_some_went_read_only_before_we_looked(void **state)
{
    (void)state;
    board_make(&pi4_sd);
    mounts("21 1 979:2 / / ro,noatime - ext4 /dev/root ro,errors=remount-ro\n");
    look();
    assert_int_equal(found, 0);
    board_put("/sys/fs/ext4/mmcblk0p2/errors_count", "1\n");
    memset(&systems, 0, sizeof systems);
    look();
    assert_non_null(finding("/ (mmcblk0p2) went read-only, 1 error counted"));
    mounts("21 1 979:2 / / ro,noatime - ext4 /dev/root ro\n"); /* may be meant so */
    memset(&systems, 0, sizeof systems);
    look();
    assert_non_null(finding("/ (mmcblk0p2): 1 error counted"));
}

static void a_mount_that_is_read_only_for_us_alone_is_not_a_file_system_gone_read_only(void **state)
{
    (void)state;
    board_make(&pi4_sd);
    look();
    mounts("21 1 979:2 / / rw,noatime - ext4 /dev/root rw\n"
           "22 21 979:2 /usr /usr ro,noatime - ext4 /dev/root rw\n"
           "23 21 979:1 / /boot/firmware ro,relatime - vfat /dev/mmcblk0p1 rw,errors=remount-ro\n");
    look();
    assert_false(on("mmcblk0p1")->is_read_only);
    assert_int_equal(found, 0);
}

static void emmc_in_its_last_tenth_or_short_of_spare_blocks_is_found(void **state)
{
    (void)state;
    board_make(&cm5_emmc_worn);
    look();
    assert_int_equal(found, 2);
    assert_non_null(finding("mmcblk0 has used 90 to 100 % of its life"));
    assert_non_null(finding("mmcblk0 has used 80 % of its spare blocks"));
    board_put("/sys/block/mmcblk0/device/life_time", "0x0b 0x02\n");
    board_put("/sys/block/mmcblk0/device/pre_eol_info", "0x03\n");
    look();
    assert_non_null(finding("mmcblk0 is past its life"));
    assert_non_null(finding("mmcblk0 has used 90 % of its spare blocks"));
    board_put("/sys/block/mmcblk0/device/life_time", "0x09 0x09\n");
    board_put("/sys/block/mmcblk0/device/pre_eol_info", "0x01\n");
    look();
    assert_int_equal(found, 0);
    board_make(&cm5_emmc_worn);
    look();
    board_unplug(&cm5_emmc_worn.disk[0]);
    look();
    assert_int_equal(found, 0);
}

static void the_worst_comes_first_and_findings_end_where_room_ends(void **state)
{
    char swaps[4000] = "Filename Type Size Used Priority\n";
    size_t len = strlen(swaps);

    (void)state;
    board_make(&cm5_emmc_worn);
    look();
    mounts("21 1 979:2 / / rw,noatime - ext4 /dev/root ro\n22 1 979:1 / /b rw - vfat /dev/x rw,sync\n");
    for (int i = 0; i < LB_WEAR_FINDINGS + 3; i++)
        len += (size_t)snprintf(swaps + len, sizeof swaps - len, "/swap%d file 1024 0 -2\n", i);
    board_put("/proc/swaps", swaps);
    look();
    assert_int_equal(found, LB_WEAR_FINDINGS);
    assert_ptr_equal(finding("/ (mmcblk0p2) went read-only"), &findings[0]);
    assert_ptr_equal(finding("mmcblk0 has used 90 to 100 %"), &findings[1]);
    assert_string_equal(findings[LB_WEAR_FINDINGS - 1].what, "swap on mmcblk0: /swap12, 1M, 0 used");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, board_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_board_that_is_well_has_no_finding),
        TEST(a_swap_file_on_the_card_is_found_by_the_mount_that_it_lies_on),
        TEST(a_swap_partition_on_flash_is_found_also_below_lvm),
        TEST(swap_on_lvm_wears_the_disk_below),
        TEST(zram_is_swap_as_it_should_be_unless_it_writes_out_to_the_card),
        TEST(swaps_that_are_hidden_or_make_no_sense_are_not_found),
        TEST(what_writes_at_each_read_or_waits_for_each_write_is_found_on_flash_only),
        TEST(a_disk_that_turns_may_write_at_each_read),
        TEST(a_file_system_that_was_writable_has_gone_read_only_until_it_is_writable_again),
        TEST(one_that_stops_at_errors_and_has_some_went_read_only_before_we_looked),
        TEST(a_mount_that_is_read_only_for_us_alone_is_not_a_file_system_gone_read_only),
        TEST(emmc_in_its_last_tenth_or_short_of_spare_blocks_is_found),
        TEST(the_worst_comes_first_and_findings_end_where_room_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
