/* SPDX-License-Identifier: MIT */
/*
 * What a file lies on.
 *
 * The story: a device has cards, sticks, disks, and layers over them. /sys and mountinfo are laid out in a
 * directory as the kernel does it; flash is found below every layer, and what cannot be told is not called
 * flash.
 */
#include "common/ground.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/logboom-ground.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command); // NOLINT(cert-env33-c): our own directory
}

static void make_dirs(const char *path)
{
    char part[512];

    for (const char *at = path + 1; (at = strchr(at, '/')); at++) {
        snprintf(part, sizeof part, "%s%.*s", root, (int)(at - path), path);
        mkdir(part, 0755);
    }
}

static void put(const char *path, const char *text)
{
    char full[512];
    FILE *file;

    make_dirs(path);
    snprintf(full, sizeof full, "%s%s", root, path);
    file = fopen(full, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void tie(const char *path, const char *target)
{
    char full[512], to[512];

    make_dirs(path);
    snprintf(full, sizeof full, "%s%s", root, path);
    snprintf(to, sizeof to, "%s%s", root, target);
    assert_int_equal(symlink(to, full), 0);
}

/* A disk MAJ:0 with a partition MAJ:1, as sysfs shows them. */
static void disk(unsigned maj, const char *where, const char *name, char turns, char can_leave)
{
    char path[256], link[256], text[8] = { 0, '\n', 0 };
    const char *part = name[strlen(name) - 1] >= '0' && name[strlen(name) - 1] <= '9' ? "p1" : "1";

    snprintf(path, sizeof path, "/sys/devices/%s/block/%s/queue/rotational", where, name);
    text[0] = turns;
    put(path, text);
    snprintf(path, sizeof path, "/sys/devices/%s/block/%s/removable", where, name);
    text[0] = can_leave;
    put(path, text);
    snprintf(path, sizeof path, "/sys/devices/%s/block/%s/%s%s/partition", where, name, name, part);
    put(path, "1\n");
    snprintf(link, sizeof link, "/sys/dev/block/%u:1", maj);
    snprintf(path, sizeof path, "/sys/devices/%s/block/%s/%s%s", where, name, name, part);
    tie(link, path);
    snprintf(link, sizeof link, "/sys/dev/block/%u:0", maj);
    snprintf(path, sizeof path, "/sys/devices/%s/block/%s", where, name);
    tie(link, path);
}

static struct lb_ground_view look(unsigned maj, unsigned min, const char *path)
{
    struct lb_ground_view view;

    lb_ground_of_dev(makedev(maj, min), path, root, &view);
    return view;
}

static void a_card_a_stick_and_a_solid_disk_are_flash(void **state)
{
    (void)state;
    disk(179, "platform/soc/mmc0", "mmcblk0", '0', '0');
    disk(8, "pci0000:00/usb1/1-1/host0", "sda", '1', '1');
    disk(9, "pci0000:00/usb1/1-2/host1", "sdb", '0', '0');
    disk(11, "pci0000:00/ata1/host2", "sdc", '0', '0');
    disk(12, "pci0000:00/nvme/nvme0", "nvme0n1", '0', '0');
    put("/proc/self/mountinfo", "22 1 179:1 / / rw - ext4 /dev/root rw\n");
    assert_int_equal(look(179, 1, "/var/log/x").ground, LB_GROUND_FLASH);
    assert_string_equal(look(179, 1, "/var/log/x").name, "mmcblk0p1 (ext4)");
    assert_int_equal(look(179, 0, "").ground, LB_GROUND_FLASH);
    assert_string_equal(look(179, 0, "").name, "mmcblk0");
    assert_string_equal(look(179, 0, "").type, ""); /* of a device alone nobody knows */
    assert_int_equal(look(8, 1, "").ground, LB_GROUND_FLASH);
    assert_int_equal(look(9, 1, "").ground, LB_GROUND_FLASH);
    assert_int_equal(look(11, 1, "").ground, LB_GROUND_FLASH);
    assert_int_equal(look(12, 1, "").ground, LB_GROUND_FLASH);
}

static void what_turns_and_what_cannot_be_told_is_no_flash(void **state)
{
    (void)state;
    disk(8, "pci0000:00/ata1/host0", "sda", '1', '0');
    disk(9, "pci0000:00/usb1/1-1/host0", "sdb", '1', '0');
    disk(254, "pci0000:00/virtio0", "vda", '0', '0');
    assert_int_equal(look(8, 1, "").ground, LB_GROUND_OTHER);
    assert_int_equal(look(9, 1, "").ground, LB_GROUND_OTHER);
    assert_int_equal(look(254, 1, "").ground, LB_GROUND_OTHER);
    assert_int_equal(look(77, 7, "").ground, LB_GROUND_OTHER);
    assert_string_equal(look(77, 7, "").name, "device 77:7");
}

static void flash_is_found_below_dm_overlay_and_btrfs(void **state)
{
    char text[512];
    struct stat st;

    (void)state;
    assert_int_equal(stat("/tmp", &st), 0);
    disk(179, "platform/soc/mmc0", "mmcblk0", '0', '0');
    put("/sys/devices/virtual/block/dm-0/queue/rotational", "0\n");
    tie("/sys/devices/virtual/block/dm-0/slaves/mmcblk0p1",
        "/sys/devices/platform/soc/mmc0/block/mmcblk0/mmcblk0p1");
    put("/sys/devices/platform/soc/mmc0/block/mmcblk0/mmcblk0p1/dev", "179:1\n");
    tie("/sys/dev/block/253:0", "/sys/devices/virtual/block/dm-0");
    assert_int_equal(look(253, 0, "").ground, LB_GROUND_FLASH);
    assert_string_equal(look(253, 0, "").name, "dm-0");
    /* An overlay whose upper directory is a real one of this machine, on a card of our making. */
    if (major(st.st_dev) > 0) {
        char link[64];

        snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
        tie(link, "/sys/devices/platform/soc/mmc0/block/mmcblk0");
    }
    snprintf(text, sizeof text,
             "22 1 0:30 / / rw - ext4 /dev/nowhere rw\n"
             "23 22 0:50 / /over rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/tmp,workdir=/w\n"
             "24 22 179:1 / /b rw - btrfs /dev/nowhere rw\n"
             "25 22 0:52 / /mem rw - tmpfs tmpfs rw\n"
             "26 22 0:53 / /net rw - nfs4 server:/x rw\n"
             "27 22 0:54 / /chip rw - ubifs ubi0:root rw\n");
    put("/proc/self/mountinfo", text);
    if (major(st.st_dev) > 0) {
        assert_int_equal(look(0, 50, "/over/log/x").ground, LB_GROUND_FLASH);
        assert_string_equal(look(0, 50, "/over/log/x").name, "overlay");
    }
    assert_int_equal(look(0, 51, "/b/x").ground, LB_GROUND_FLASH);
    assert_int_equal(look(0, 52, "/mem/x").ground, LB_GROUND_RAM);
    assert_int_equal(look(0, 53, "/net/x").ground, LB_GROUND_OTHER);
    assert_int_equal(look(0, 54, "/chip/x").ground, LB_GROUND_FLASH);
    assert_int_equal(look(0, 30, "/overnight").ground, LB_GROUND_OTHER);
}

static void the_file_system_that_takes_the_bytes_is_told_and_the_disk_they_wear(void **state)
{
    (void)state;
    disk(179, "platform/soc/mmc0", "mmcblk0", '0', '0');
    put("/sys/devices/virtual/block/dm-0/slaves/mmcblk0p1/x", "");
    put("/sys/devices/virtual/block/dm-0/slaves/mmcblk0p1/dev", "179:1\n");
    tie("/sys/dev/block/253:0", "/sys/devices/virtual/block/dm-0");
    put("/proc/self/mountinfo",
        "22 1 179:1 / / rw - ext4 /dev/root rw\n"
        "23 22 253:0 / /home rw - f2fs /dev/dm-0 rw\n"
        "24 22 0:50 / /over rw - overlay o rw,lowerdir=/l,upperdir=/tmp,workdir=/w\n"
        "25 22 0:51 / /loose rw - overlay o rw,lowerdir=/l,upperdir=/tmp,volatile\n"
        "26 22 0:52 / /blind rw - overlay o rw,lowerdir=/l,upperdir=/nowhere/to/be/seen\n"
        "27 22 0:53 / /net rw - nfs4 server:/x rw\n");
    assert_string_equal(look(179, 1, "/var/lib/x").type, "ext4");
    assert_string_equal(look(179, 1, "/var/lib/x").disk, "mmcblk0");
    assert_string_equal(look(253, 0, "/home/x").type, "f2fs");
    assert_string_equal(look(253, 0, "/home/x").disk, "mmcblk0");
    assert_string_equal(look(0, 50, "/over/x").type, "ext4");
    assert_false(look(0, 50, "/over/x").leaves_out_syncs);
    assert_true(look(0, 51, "/loose/x").leaves_out_syncs);
    assert_string_equal(look(0, 52, "/blind/x").type, "overlay");
    assert_string_equal(look(0, 53, "/net/x").type, "nfs4");
    assert_string_equal(look(0, 53, "/net/x").disk, "");
}

static void a_disk_tells_its_capacity_and_what_was_written_to_it(void **state)
{
    uint64_t bytes = 77;

    (void)state;
    put("/sys/block/mmcblk0/size", "62333952\n");
    put("/sys/block/mmcblk0/stat", "   1  2  3  4     5   6   2048  8 0 9 10 11 12 13 14 15 16\n");
    put("/sys/block/odd/stat", "1 2 3\n");
    assert_int_equal(lb_ground_capacity(root, "mmcblk0", &bytes), 0);
    assert_int_equal(bytes, 62333952ull * 512);
    assert_int_equal(lb_ground_written(root, "mmcblk0", &bytes), 0);
    assert_int_equal(bytes, 1 << 20);
    assert_int_equal(lb_ground_written(root, "odd", &bytes), -EINVAL);
    assert_int_equal(lb_ground_written(root, "mmcblk1", &bytes), -ENOENT);
    assert_int_equal(lb_ground_written(root, "", &bytes), -ENOENT);
    assert_int_equal(lb_ground_written(root, "../mmcblk0", &bytes), -ENOENT);
    assert_int_equal(bytes, 1 << 20);
}

static void memory_that_plays_a_disk_is_memory(void **state)
{
    (void)state;
    disk(253, "virtual", "zram0", '0', '0');
    assert_int_equal(look(253, 0, "").ground, LB_GROUND_RAM);
}

static void a_device_by_its_name_tells_how_it_is_known(void **state)
{
    struct lb_ground_view view;
    const char *why;

    (void)state;
    disk(979, "platform/soc/mmc0", "mmcblk0", '0', '0');
    put("/sys/devices/platform/soc/mmc0/block/mmcblk0/device/type", "MMC\n");
    tie("/sys/class/block/mmcblk0p1", "/sys/devices/platform/soc/mmc0/block/mmcblk0/mmcblk0p1");
    assert_int_equal(lb_ground_of_name(root, "mmcblk0p1", &view, &why), LB_GROUND_FLASH);
    assert_string_equal(why, "eMMC");
    assert_string_equal(view.device, "mmcblk0p1");
    assert_string_equal(view.disk, "mmcblk0");
    assert_int_equal(lb_ground_of_name(root, "mmcblk7", &view, &why), LB_GROUND_OTHER);
    assert_string_equal(why, "");
    assert_int_equal(lb_ground_of_name(root, "../block/mmcblk0p1", &view, &why), LB_GROUND_OTHER);
    assert_int_equal(lb_ground_of_name(root, "", &view, &why), LB_GROUND_OTHER);
}

static void a_service_with_a_dev_of_its_own_finds_btrfs_and_what_is_below_a_loop(void **state)
{
    (void)state;
    disk(979, "pci0000:00/usb1/1-1/host0", "sda", '0', '0');
    tie("/sys/class/block/sda1", "/sys/devices/pci0000:00/usb1/1-1/host0/block/sda/sda1");
    put("/sys/devices/virtual/block/loop0/loop/backing_file", "/pool dir/of its own/x.img\n");
    tie("/sys/class/block/loop0", "/sys/devices/virtual/block/loop0");
    tie("/sys/dev/block/907:0", "/sys/devices/virtual/block/loop0");
    put("/proc/self/mountinfo",
        "22 1 0:30 / / rw - nfs4 server:/root rw\n"
        "23 22 0:50 /@ /pool\\040dir rw,relatime shared:1 - btrfs /dev/sda1 rw,space_cache=v2\n"
        "24 22 0:51 / /other rw - fuse.x /home/sda1 rw\n");
    assert_int_equal(look(0, 50, "/pool dir/x").ground, LB_GROUND_FLASH);
    assert_string_equal(look(0, 50, "/pool dir/x").device, "sda1");
    assert_string_equal(look(907, 0, "").disk, "sda");
    assert_string_equal(look(907, 0, "").device, "loop0");
    assert_string_equal(look(0, 51, "/other/x").disk, "");
}

static void what_lies_on_tmpfs_is_in_ram_here_and_now(void **state)
{
    struct lb_ground_view view;
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    assert_int_equal(lb_ground_of(fileno(file), "", &view), 0);
    assert_true(view.name[0] != '\0');
    fclose(file);
    file = fopen("/dev/shm/logboom-ground", "w+e");
    assert_non_null(file);
    unlink("/dev/shm/logboom-ground");
    assert_int_equal(lb_ground_of(fileno(file), "", &view), 0);
    assert_int_equal(view.ground, LB_GROUND_RAM);
    fclose(file);
    assert_true(lb_ground_of(-1, "", &view) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_card_a_stick_and_a_solid_disk_are_flash),
        TEST(what_turns_and_what_cannot_be_told_is_no_flash),
        TEST(flash_is_found_below_dm_overlay_and_btrfs),
        TEST(the_file_system_that_takes_the_bytes_is_told_and_the_disk_they_wear),
        TEST(a_disk_tells_its_capacity_and_what_was_written_to_it),
        TEST(memory_that_plays_a_disk_is_memory),
        TEST(a_device_by_its_name_tells_how_it_is_known),
        TEST(a_service_with_a_dev_of_its_own_finds_btrfs_and_what_is_below_a_loop),
        TEST(what_lies_on_tmpfs_is_in_ram_here_and_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
