/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of disks that fail.
 *
 * The story: a card begins to fail. The kernel's log fills with words of several layers about it, among much
 * else; each error is counted once, for the disk that it is about, whatever the look's pace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wear/kernel_log.h"

static struct lb_kernel_log kernel_log;
static struct lb_disks disks;

static int begin(void **state)
{
    static const char *const names[] = { "mmcblk0", "sda", "loop1", "nvme0n1" };

    (void)state;
    memset(&kernel_log, 0, sizeof kernel_log);
    memset(&disks, 0, sizeof disks);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(disks.disk[i].name, sizeof disks.disk[i].name, "%s", names[i]);
        disks.disk[i].is_present = true;
        disks.disk[i].medium = 1;
        disks.count++;
    }
    return 0;
}

static void take(const char *text)
{
    lb_kernel_log_take(&kernel_log, text, strlen(text), &disks);
}

static void assert_counts(uint64_t mmc, uint64_t sda, uint64_t loop1, uint64_t nvme)
{
    assert_int_equal(disks.disk[0].io_errors, mmc);
    assert_int_equal(disks.disk[1].io_errors, sda);
    assert_int_equal(disks.disk[2].io_errors, loop1);
    assert_int_equal(disks.disk[3].io_errors, nvme);
}

static void errors_of_every_layer_are_counted_for_their_disk(void **state)
{
    (void)state;
    take("<6>[    1.000001] mmc0: new high speed SDHC card at address 0001\n"
         "<3>[    2.000001] I/O error, dev mmcblk0, sector 8 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio "
         "class 2\n"
         "<3>[    2.000002] blk_update_request: I/O error, dev sda, sector 2048 op 0x0:(READ)\n"
         "<3>[    2.000003] Buffer I/O error on dev mmcblk0p2, logical block 1, lost async page write\n"
         "<2>[    2.000004] EXT4-fs error (device mmcblk0p2): ext4_find_entry:1463: inode #2: comm ls\n"
         "<3>[    2.000005] mmc0: Timeout waiting for hardware interrupt.\n"
         "<3>[    2.000006] mmcblk0: error -110 transferring data, sector 8, nr 8\n"
         "<3>[    2.000007] critical medium error, dev sda, sector 9\n"
         "<3>[    2.000008] I/O error, dev nvme0n1, sector 1 op 0x0:(READ)\n");
    assert_counts(5, 2, 0, 1);
    assert_string_equal(disks.disk[0].io_error, "mmcblk0: error -110 transferring data, sector 8, nr 8");
}

static void a_line_is_counted_once_however_often_the_log_is_read(void **state)
{
    (void)state;
    take("<3>[    2.000001] I/O error, dev sda, sector 8\n");
    take("<3>[    2.000001] I/O error, dev sda, sector 8\n<3>[    2.000001] I/O error, dev sda, sector 9\n"
         "[    3.5] I/O error, dev sda, sector 10\n[   13.000000] I/O error, dev sda, sector 11\n");
    assert_counts(0, 3, 0, 0);
    take("");
    assert_counts(0, 3, 0, 0);
}

static void what_is_about_another_disk_or_nothing_bad_is_not_counted(void **state)
{
    (void)state;
    take("<3>[    2.000001] I/O error, dev sdb, sector 8\n"
         "<3>[    2.000002] I/O error, dev sdab1, sector 8\n"
         "<3>[    2.000003] I/O error, dev loop11, sector 8\n"
         "<3>[    2.000004] I/O error, dev loop1p, sector 8\n"
         "<3>[    2.000005] mmc1: Timeout waiting for hardware interrupt.\n"
         "<6>[    2.000006] mmcblk0: mmc0:0001 SC32G 29.7 GiB\n"
         "<6>[    2.000007] EXT4-fs (mmcblk0p2): mounted filesystem\n"
         "<6>[    2.000008] sda: sda1 sda2\n"
         "I/O error, dev sda, sector 8\n");
    assert_counts(0, 0, 0, 0);
}

static void parts_are_named_as_the_kernel_names_them(void **state)
{
    (void)state;
    take("[ 1.000001] I/O error, dev sda12, sector 8\n[ 1.000002] I/O error, dev loop1p3, sector 8\n"
         "[ 1.000003] I/O error, dev nvme0n1p1, sector 8\n");
    assert_counts(0, 1, 1, 1);
}

static void another_card_begins_without_errors(void **state)
{
    (void)state;
    take("[ 1.000001] I/O error, dev mmcblk0, sector 8\n");
    disks.disk[0].medium = 2;
    take("[ 2.000001] I/O error, dev sda, sector 8\n");
    assert_counts(0, 1, 0, 0);
    assert_string_equal(disks.disk[0].io_error, "");
}

static void any_bytes_do_no_harm(void **state)
{
    char text[4096];

    (void)state;
    srandom(7);
    for (unsigned round = 0; round < 500; round++) {
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)random();
        memcpy(text + 100, "\n<3>[ 9.000001] I/O error, dev ", 31);
        lb_kernel_log_take(&kernel_log, text, sizeof text, &disks);
    }
    memset(text, 'x', sizeof text);
    memcpy(text, "[ 10.000001] I/O error, dev sda, sector ", 40);
    lb_kernel_log_take(&kernel_log, text, sizeof text, &disks);
    assert_counts(0, 1, 0, 0);
    assert_int_equal(strlen(disks.disk[1].io_error), sizeof disks.disk[1].io_error - 1);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(errors_of_every_layer_are_counted_for_their_disk),
        TEST(a_line_is_counted_once_however_often_the_log_is_read),
        TEST(what_is_about_another_disk_or_nothing_bad_is_not_counted),
        TEST(parts_are_named_as_the_kernel_names_them),
        TEST(another_card_begins_without_errors),
        TEST(any_bytes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
