/* SPDX-License-Identifier: MIT */
/*
 * File systems on disks.
 *
 * The story: the boards again, now with what is mounted on them. A file system is one however often it is
 * mounted, and lies on the disk that takes the bytes.
 */
#include "agent/wear/filesystems.h"

#include <errno.h>
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

static const char *disk_under(const char *device)
{
    return disks.disk[on(device)->disk].name;
}

static void mounts(const char *lines)
{
    board_put("/proc/self/mountinfo", lines);
}

/* ---- what is mounted ---- */

static void a_pi_has_its_root_and_its_boot_on_the_card(void **state)
{
    (void)state;
    board_make(&pi3_sd);
    look();
    assert_int_equal(systems.count, 2);
    assert_string_equal(on("mmcblk0p2")->point, "/");
    assert_string_equal(on("mmcblk0p2")->type, "ext4");
    assert_string_equal(disk_under("mmcblk0p2"), "mmcblk0");
    assert_false(on("mmcblk0p2")->is_read_only);
    assert_false(on("mmcblk0p2")->updates_atime);
    assert_false(on("mmcblk0p2")->is_sync);
    assert_int_equal(on("mmcblk0p2")->lifetime_bytes, 1ull << 30);
    assert_int_equal(on("mmcblk0p2")->errors, 0);
    assert_string_equal(on("mmcblk0p1")->point, "/boot/firmware");
    assert_true(on("mmcblk0p1")->lifetime_bytes == LB_WEAR_UNKNOWN);
    assert_true(on("mmcblk0p1")->errors == LB_WEAR_UNKNOWN);
    assert_int_equal(disks.disk[0].lifetime_bytes, 1ull << 30);
}

static void several_mounts_of_a_device_are_one_file_system_with_the_shortest_point(void **state)
{
    (void)state;
    board_make(&pi4_sd);
    mounts("21 1 979:2 /var/log /a\\040long\\134way/log rw,noatime - ext4 /dev/root rw\n"
           "22 1 979:2 /srv /my\\040srv rw,noatime - ext4 /dev/root rw\n"
           "23 1 979:2 /home /home\\040dir rw,noatime - ext4 /dev/root rw\n");
    look();
    assert_int_equal(systems.count, 1);
    assert_string_equal(on("mmcblk0p2")->point, "/my srv");
    mounts("21 1 979:2 / /a\\040b\\134c\\012d rw,noatime - ext4 /dev/root rw\n");
    look();
    assert_string_equal(on("mmcblk0p2")->point, "/a b\\c?d");
}

static void a_long_point_is_cut_between_characters(void **state)
{
    char line[512], point[201] = "/x";

    (void)state;
    board_make(&pi4_sd);
    for (size_t i = 2; i + 2 < sizeof point; i += 2)
        memcpy(point + i, "\xc3\xa4", 3);
    snprintf(line, sizeof line, "21 1 979:2 / %s rw,relatime - ext4 /dev/root rw\n", point);
    mounts(line);
    look();
    assert_int_equal(strlen(on("mmcblk0p2")->point), 126);
}

static void f2fs_on_nvme_remembers_its_life_as_ext4_does(void **state)
{
    (void)state;
    board_make(&pi5_sd_nvme);
    look();
    assert_int_equal(on("nvme0n1p1")->lifetime_bytes, 4096 * 1024);
    assert_int_equal(disks.disk[lb_disks_find(&disks, "nvme0n1")].lifetime_bytes, 4096 * 1024);
    board_put("/sys/fs/ext4/mmcblk0p1/lifetime_write_kbytes", "7\n");
    look();
    assert_int_equal(disks.disk[0].lifetime_bytes, 7 * 1024);
    board_put("/sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes", "100\n");
    look();
    assert_int_equal(disks.disk[0].lifetime_bytes, 107 * 1024);
    board_put("/sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes", "18446744073709551615\n");
    look();
    assert_int_equal(disks.disk[0].lifetime_bytes, 7 * 1024);
}

static void btrfs_and_lvm_lie_on_the_disk_below_and_other_machines_disks_do_not(void **state)
{
    (void)state;
    board_make(&pc_sata_nvme);
    look();
    assert_int_equal(systems.count, 3);
    assert_string_equal(on("nvme0n1p1")->point, "/");
    assert_string_equal(on("nvme0n1p1")->type, "btrfs");
    assert_string_equal(disk_under("nvme0n1p1"), "nvme0n1");
    assert_string_equal(disk_under("sdb1"), "sdb");
    board_make(&pc_lvm);
    look();
    assert_int_equal(systems.count, 1);
    assert_string_equal(disk_under("dm-0"), "sda");
    assert_int_equal(disks.disk[on("dm-0")->disk].lifetime_bytes, 3 * 1024);
    look_for("sda dm-0");
    assert_string_equal(disk_under("dm-0"), "dm-0");
}

static void an_overlay_on_ram_writes_to_no_card_and_its_lower_is_read_only_by_intent(void **state)
{
    (void)state;
    board_make(&pi4_overlay_on_ram);
    look();
    look();
    assert_int_equal(systems.count, 1);
    assert_string_equal(on("mmcblk0p2")->point, "/lower");
    assert_true(on("mmcblk0p2")->is_read_only);
    assert_false(on("mmcblk0p2")->was_writable);
    assert_int_equal(found, 0);
}

static void an_overlay_on_the_card_is_a_place_of_the_file_system_that_takes_its_bytes(void **state)
{
    (void)state;
    board_make(&pi4_overlay_on_card);
    look();
    assert_int_equal(systems.count, 2);
    assert_string_equal(on("mmcblk0p2")->point, "/");
    assert_string_equal(on("mmcblk0p2")->type, "f2fs");
    assert_false(on("mmcblk0p2")->is_read_only);
    assert_true(on("mmcblk0p1")->is_read_only);
    mounts("31 1 979:2 / @R/rw rw,relatime - f2fs /dev/mmcblk0p2 rw\n"
           "32 1 0:50 / / rw - overlay overlay rw,upperdir=@R/rw/upper,sync\n");
    look();
    assert_string_equal(on("mmcblk0p2")->point, "/");
    assert_string_equal(on("mmcblk0p2")->type, "f2fs");
    assert_false(on("mmcblk0p2")->updates_atime);
    assert_false(on("mmcblk0p2")->is_sync);
}

static void a_loop_on_the_card_is_on_the_card_and_its_bytes_are_not_counted_twice(void **state)
{
    (void)state;
    board_make(&pi5_zram_file);
    mounts("21 1 979:2 / / rw,noatime - ext4 /dev/root rw\n"
           "22 21 907:0 / /img rw,noatime - ext4 /dev/loop0 rw\n"
           "23 21 979:1 / /snap/x ro - squashfs /dev/loop8 ro\n");
    board_put("/sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes", "100\n");
    board_put("/sys/fs/ext4/loop0/lifetime_write_kbytes", "50\n");
    look();
    assert_int_equal(systems.count, 2);
    assert_string_equal(disk_under("loop0"), "mmcblk0");
    assert_int_equal(disks.disk[0].lifetime_bytes, 100 * 1024);
    look_for("mmcblk0 loop0");
    assert_string_equal(disk_under("loop0"), "loop0");
    assert_int_equal(disks.disk[on("loop0")->disk].lifetime_bytes, 50 * 1024);
}

static void what_is_beyond_the_room_is_counted(void **state)
{
    static struct board_disk stick = { "sdx", "platform/usb1/1-1",     809,
                                       0,     LB_WEAR_FILESYSTEMS + 2, "size=4096;removable=1;diskseq=9" };
    char lines[4000];
    size_t len = 0;

    (void)state;
    board_plug(&stick);
    for (unsigned i = 1; i <= stick.parts; i++)
        len += (size_t)snprintf(lines + len, sizeof lines - len,
                                "%u 1 809:%u / /m%u rw,relatime - ext4 /dev/x rw\n", 20 + i, i, i);
    mounts(lines);
    look();
    assert_int_equal(systems.count, LB_WEAR_FILESYSTEMS);
    assert_int_equal(systems.left_out, 2);
    look();
    assert_int_equal(systems.left_out, 2);
}

static void without_mountinfo_nothing_changes_and_nonsense_in_it_is_passed_over(void **state)
{
    (void)state;
    board_make(&pi4_sd);
    look();
    board_remove("/proc/self/mountinfo");
    assert_int_equal(lb_filesystems_sample(&systems, board_root, &disks), -ENOENT);
    assert_int_equal(systems.count, 2);
    mounts("\n - \n1 2 3\n21 1 x:y / / rw - ext4 a b\n21 1 979:2 / / rw,noatime ext4 /dev/root rw\n"
           "99999999999 1 979:77 / /none rw - ext4 /dev/root rw\n"
           "21 1 979:2 / / rw,noatime - ext4 /dev/root rw\n");
    board_put_bytes("/sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes", "\xff\x00\x01", 3);
    board_put("/sys/fs/ext4/mmcblk0p2/errors_count", "-3\n");
    look();
    assert_int_equal(systems.count, 1);
    assert_true(on("mmcblk0p2")->lifetime_bytes == LB_WEAR_UNKNOWN);
    assert_true(on("mmcblk0p2")->errors == LB_WEAR_UNKNOWN);
    assert_int_equal(found, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, board_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pi_has_its_root_and_its_boot_on_the_card),
        TEST(several_mounts_of_a_device_are_one_file_system_with_the_shortest_point),
        TEST(a_long_point_is_cut_between_characters),
        TEST(f2fs_on_nvme_remembers_its_life_as_ext4_does),
        TEST(btrfs_and_lvm_lie_on_the_disk_below_and_other_machines_disks_do_not),
        TEST(an_overlay_on_ram_writes_to_no_card_and_its_lower_is_read_only_by_intent),
        TEST(an_overlay_on_the_card_is_a_place_of_the_file_system_that_takes_its_bytes),
        TEST(a_loop_on_the_card_is_on_the_card_and_its_bytes_are_not_counted_twice),
        TEST(what_is_beyond_the_room_is_counted),
        TEST(without_mountinfo_nothing_changes_and_nonsense_in_it_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
