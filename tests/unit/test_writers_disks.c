/* SPDX-License-Identifier: MIT */
/*
 * Which disk a program writes to.
 *
 * The story: a device with a card and a stick, and disks that nobody watches. Programs have files open on the
 * one, the other, both, in containers, behind layers; some have none open when they are looked at. Who has a
 * file open for writing on a disk pays for that disk.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "agent/wear/process_disks.h"
#include "tests/unit/lib_proc.h"
#include "tests/unit/lib_writers.h"

#define MIB (1ull << 20)

enum { ON_CARD = 22, ON_STICK = 23, ON_TMPFS = 24, ON_OTHER = 25, SOCKETS = 8 };

static const char mounts[] = "22 1 8:1 / / rw - ext4 /dev/root rw\n"
                             "23 22 9:1 / /media/stick rw,noatime shared:1 - vfat /dev/stickp1 rw\n"
                             "24 22 0:40 / /run rw - tmpfs tmpfs rw\n"
                             "25 22 10:1 / /srv rw - ext4 /dev/otherp1 rw\n";

/* A process that was there at the first look. */
static void start(int pid, const char *name)
{
    char path[64];

    proc_start(pid, 1, 100, name);
    snprintf(path, sizeof path, "/proc/%d/mountinfo", pid);
    proc_print(path, "%s", mounts);
}

static int begin(void **state)
{
    int rc = looks_begin(state);

    proc_disk(10, "other");
    proc_print("/proc/self/mountinfo", "%s", mounts);
    return rc;
}

static void who_has_files_on_a_disk_pays_for_it(void **state)
{
    (void)state;
    start(10, "web");
    start(11, "camera");
    proc_open(10, 3, O_WRONLY | O_APPEND, ON_CARD);
    proc_open(11, 3, O_RDWR, ON_STICK);
    look(0, 0);
    proc_io(10, MIB, 0);
    proc_io(11, 4 * MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("web", CARD), MIB);
    assert_int_equal(given("web", STICK), 0);
    assert_int_equal(given("camera", CARD), 0);
    assert_int_equal(given("camera", STICK), 4 * MIB);
}

static void who_has_files_on_two_disks_pays_each_as_it_was_written_to(void **state)
{
    (void)state;
    start(10, "copy");
    proc_open(10, 3, O_WRONLY, ON_CARD);
    proc_open(10, 4, O_WRONLY, ON_STICK);
    look(0, 0);
    proc_io(10, 4 * MIB, 0);
    look(3 * MIB, MIB);
    assert_int_equal(given("copy", CARD), 3 * MIB);
    assert_int_equal(given("copy", STICK), MIB);
}

static void files_that_are_read_and_those_on_no_disk_tell_nothing(void **state)
{
    (void)state;
    start(10, "web");
    proc_open(10, 0, O_RDONLY, ON_CARD);
    proc_open(10, 1, O_RDWR, SOCKETS);
    proc_open(10, 2, O_WRONLY, ON_TMPFS);
    proc_open(10, 3, O_WRONLY, ON_STICK);
    look(0, 0);
    proc_io(10, MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("web", CARD), 0);
    assert_int_equal(given("web", STICK), MIB);
}

static void where_none_is_open_an_earlier_look_tells(void **state)
{
    (void)state;
    start(10, "web");
    proc_open(10, 3, O_WRONLY, ON_STICK);
    look(0, 0);
    proc_io(10, MIB, 0);
    look(9 * MIB, 9 * MIB);
    proc_close(10);
    proc_io(10, 3 * MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("web", STICK), 3 * MIB);
    assert_int_equal(given("web", CARD), 0);
}

static void where_nothing_was_ever_open_all_disks_are_paid_as_they_were_written_to(void **state)
{
    (void)state;
    start(10, "web");
    look(0, 0);
    proc_io(10, 4 * MIB, 0);
    look(6 * MIB, 2 * MIB);
    assert_int_equal(given("web", CARD), 3 * MIB);
    assert_int_equal(given("web", STICK), MIB);
}

static void where_other_disks_are_not_watched_it_is_nobodys(void **state)
{
    (void)state;
    looks.disks.are_all = false;
    start(10, "web");
    look(0, 0);
    proc_io(10, 4 * MIB, 0);
    look(6 * MIB, 2 * MIB);
    assert_int_equal(given("web", CARD) + given("web", STICK), 0);
}

static void who_writes_to_a_disk_that_is_not_watched_pays_for_none(void **state)
{
    (void)state;
    start(10, "base");
    start(11, "web");
    proc_open(10, 3, O_WRONLY, ON_OTHER);
    proc_open(11, 3, O_WRONLY, ON_OTHER);
    proc_open(11, 4, O_WRONLY, ON_CARD);
    look(0, 0);
    proc_io(10, 50 * MIB, 0);
    proc_io(11, MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("base", CARD) + given("base", STICK), 0);
    assert_int_equal(given("web", CARD), MIB);
    proc_close(10);
    proc_io(10, 90 * MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("base", CARD) + given("base", STICK), 0);
}

static void of_layers_the_nearest_that_is_watched_is_paid(void **state)
{
    (void)state;
    start(10, "web");
    start(11, "base");
    proc_print("/sys/devices/virtual/block/dm-0/slaves/cardp1/dev", "8:1\n");
    proc_tie("/sys/dev/block/253:0", "/sys/devices/virtual/block/dm-0");
    proc_print("/proc/10/mountinfo", "30 1 253:0 / / rw - ext4 /dev/dm-0 rw\n");
    proc_open(10, 3, O_WRONLY, 30);
    /* A device above the card that is watched by its own name. */
    proc_print("/sys/devices/virtual/block/stick2/slaves/cardp1/dev", "8:1\n");
    proc_print("/sys/devices/virtual/block/stick2/stick2p1/partition", "1\n");
    proc_tie("/sys/dev/block/253:1", "/sys/devices/virtual/block/stick2/stick2p1");
    snprintf(looks.disks.disk[STICK].name, sizeof looks.disks.disk[STICK].name, "stick2");
    proc_print("/proc/11/mountinfo", "31 1 253:1 / / rw - ext4 /dev/dm-1 rw\n");
    proc_open(11, 3, O_WRONLY, 31);
    look(0, 0);
    proc_io(10, MIB, 0);
    proc_io(11, 2 * MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("web", CARD), MIB);
    assert_int_equal(given("web", STICK), 0);
    assert_int_equal(given("base", STICK), 2 * MIB);
}

/* A container's root is an overlay, whose device is none; we see it elsewhere, and below that its directory.
 */
static void a_container_pays_for_the_disk_below_its_overlay(void **state)
{
    char link[64];
    struct stat st;

    (void)state;
    assert_int_equal(stat("/tmp", &st), 0);
    if (major(st.st_dev) == 0)
        return; /* /tmp is on no device here, so there is none to lie below */
    snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
    proc_tie(link, "/sys/devices/stick/block/stick");
    proc_print(
        "/proc/self/mountinfo",
        "%s50 22 0:60 / /var/lib/c/merged rw - overlay overlay rw,lowerdir=/l,upperdir=/tmp,workdir=/w\n",
        mounts);
    start(10, "boxed");
    proc_print("/proc/10/mountinfo", "77 76 0:60 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n");
    proc_open(10, 3, O_WRONLY, 77);
    look(0, 0);
    proc_io(10, MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("boxed", STICK), MIB);
    assert_int_equal(given("boxed", CARD), 0);
}

static void long_and_broken_mountinfo_is_read_as_far_as_it_makes_sense(void **state)
{
    static char text[30000];
    size_t len = 0;

    (void)state;
    start(10, "web");
    memset(text, 'x', 9000); /* longer than a line may be, twice */
    len = 9000;
    text[len++] = '\n';
    len += (size_t)sprintf(text + len, "99 22 0:70 / /long rw - overlay o rw,lowerdir=");
    memset(text + len, 'l', 9000);
    len += 9000;
    len += (size_t)sprintf(text + len, "\n\n23\n23 1 \n23 x 9:1 / /y\n-23 1 8:1 / /z rw\n"
                                       "23 1 99999999999999:1 / /y rw\n\xff\xfe\x01\n23 22 9:1 / /m rw\n");
    memset(text + len, 'x', 4095); /* what is behind it is no line of its own */
    len += 4095;
    len += (size_t)sprintf(text + len, "23 1 8:1 / /behind rw\n23 1 8:1");
    proc_put("/proc/10/mountinfo", text, len);
    proc_open(10, 3, O_WRONLY, ON_STICK);
    look(0, 0);
    proc_io(10, MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("web", STICK), MIB);
}

static void broken_fdinfo_tells_nothing(void **state)
{
    static const char *const rows[] = {
        "",
        "flags:\t0100001\n",
        "mnt_id:\t22\n",
        "flags:\t-1\nmnt_id:\t22\n",
        "flags:\t9\nmnt_id:\t22\n",
        "flags:\t0100001\nmnt_id:\t-22x\n",
        "flags:\t0100001\nmnt_id:\t999999999999999999999999\n",
        "flags:\t77777777777777777777777777\nmnt_id:\t22\n",
        "\x7f\x45\x4c\x46",
    };
    char path[64];

    (void)state;
    start(10, "web");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(path, sizeof path, "/proc/10/fdinfo/%zu", i);
        proc_print(path, "%s", rows[i]);
    }
    proc_open(10, 100, O_WRONLY, ON_STICK);
    look(0, 0);
    proc_io(10, MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("web", STICK), MIB);
}

static void more_files_than_are_looked_at_are_no_harm(void **state)
{
    (void)state;
    start(10, "web");
    for (int fd = 0; fd < LB_PROCESS_FDS_MAX + 50; fd++)
        proc_open(10, fd, O_WRONLY, fd % 2 ? ON_STICK : 1000 + (unsigned)fd);
    look(0, 0);
    for (int pid = 11; pid < 20; pid++) { /* and more mounts than are remembered */
        start(pid, "many");
        for (unsigned fd = 0; fd < LB_PROCESS_MOUNTS_NEW; fd++)
            proc_open(pid, (int)fd, O_WRONLY, 2000 + (unsigned)pid * 100 + fd);
    }
    look(0, 0);
    for (int pid = 10; pid < 20; pid++)
        proc_io(pid, MIB, 0);
    look(99 * MIB, 99 * MIB);
    assert_int_equal(given("web", STICK), MIB);
}

static void a_mount_id_is_another_mount_in_the_next_look(void **state)
{
    (void)state;
    start(10, "web");
    proc_open(10, 3, O_WRONLY, ON_STICK);
    look(0, 0);
    proc_io(10, MIB, 0);
    look(9 * MIB, 9 * MIB);
    proc_print("/proc/10/mountinfo", "23 1 8:1 / / rw - ext4 /dev/root rw\n");
    proc_io(10, 3 * MIB, 0);
    look(9 * MIB, 9 * MIB);
    assert_int_equal(given("web", STICK), MIB);
    assert_int_equal(given("web", CARD), 2 * MIB);
}

static void another_stick_begins_anew(void **state)
{
    (void)state;
    start(10, "camera");
    proc_open(10, 3, O_WRONLY, ON_STICK);
    look(0, 0);
    proc_io(10, 4 * MIB, 0);
    look(0, MIB);
    looks.disks.disk[STICK].medium++;
    memset(&looks.view, 0, sizeof looks.view);
    look(0, 9 * MIB);
    assert_int_equal(given("camera", STICK), 0);
    proc_io(10, 5 * MIB, 0);
    look(0, 9 * MIB);
    assert_int_equal(given("camera", STICK), MIB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, looks_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_has_files_on_a_disk_pays_for_it),
        TEST(who_has_files_on_two_disks_pays_each_as_it_was_written_to),
        TEST(files_that_are_read_and_those_on_no_disk_tell_nothing),
        TEST(where_none_is_open_an_earlier_look_tells),
        TEST(where_nothing_was_ever_open_all_disks_are_paid_as_they_were_written_to),
        TEST(where_other_disks_are_not_watched_it_is_nobodys),
        TEST(who_writes_to_a_disk_that_is_not_watched_pays_for_none),
        TEST(of_layers_the_nearest_that_is_watched_is_paid),
        TEST(a_container_pays_for_the_disk_below_its_overlay),
        TEST(long_and_broken_mountinfo_is_read_as_far_as_it_makes_sense),
        TEST(broken_fdinfo_tells_nothing),
        TEST(more_files_than_are_looked_at_are_no_harm),
        TEST(a_mount_id_is_another_mount_in_the_next_look),
        TEST(another_stick_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
