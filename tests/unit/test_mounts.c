/* SPDX-License-Identifier: MIT */
/*
 * Lines of mountinfo and of sysfs, taken apart.
 *
 * The story: lines as kernels write them, with blanks and tags in them, then such as no kernel writes. Words
 * are found whole, numbers are numbers from end to end, and nothing else is read into them.
 */
#include "common/mounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/sysfs.h"

static struct lb_mount mount;

static void a_line_has_its_parts_with_tags_and_without(void **state)
{
    (void)state;
    assert_true(
        lb_mounts_parse("36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/my\\040root "
                        "rw,errors=continue\n",
                        &mount));
    assert_int_equal(mount.maj, 98);
    assert_int_equal(mount.min, 0);
    assert_string_equal(mount.point, "/mnt 2");
    assert_string_equal(mount.flags, "rw,noatime");
    assert_string_equal(mount.type, "ext3");
    assert_string_equal(mount.source, "/dev/my root");
    assert_string_equal(mount.options, "rw,errors=continue");
    assert_true(lb_mounts_parse("36 35 0:9 / /x ro - tmpfs none", &mount));
    assert_string_equal(mount.options, "");
    assert_false(lb_mounts_parse("", &mount));
    assert_false(lb_mounts_parse("36 35 0:9 / /x ro tmpfs none rw", &mount));
    assert_false(lb_mounts_parse("36 35 09 / /x ro - tmpfs none rw", &mount));
    assert_false(lb_mounts_parse("36 35 0:9 / /x ro - tmpfs", &mount));
}

static void an_option_is_found_whole_and_its_value_as_it_was(void **state)
{
    char value[16] = "as it was";

    (void)state;
    assert_true(lb_mounts_has("rw,sync", "sync"));
    assert_true(lb_mounts_has("sync\n", "sync"));
    assert_true(lb_mounts_has("async,sync,x", "sync"));
    assert_false(lb_mounts_has("rw,async", "sync"));
    assert_false(lb_mounts_has("dirsync,syncsync,sync=1", "sync"));
    assert_false(lb_mounts_has("", "sync"));
    assert_false(lb_mounts_value("rw,my_upperdir=/x", "upperdir=", value, sizeof value));
    assert_string_equal(value, "as it was");
    assert_true(lb_mounts_value("my_upperdir=/x,upperdir=/a\\040b,z", "upperdir=", value, sizeof value));
    assert_string_equal(value, "/a b");
    assert_true(lb_mounts_value("upperdir=/a/way/that/is/too/long", "upperdir=", value, sizeof value));
    assert_string_equal(value, "/a/way/that/is/");
}

static void what_is_no_escape_stays(void **state)
{
    char text[] = "\\134\\04\\9990\\\\040\\";

    (void)state;
    lb_mounts_unescape(text);
    assert_string_equal(text, "\\\\04\\9990\\ \\");
}

static void a_number_is_one_from_end_to_end(void **state)
{
    static const char *const none[] = { "", "-1", "+1", "1x", "1 2", "0x", "x", "18446744073709551616" };
    char dir[] = "/tmp/logboom-sysfs.XXXXXX", path[64];
    uint64_t number = 7;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/n", dir);
    assert_false(lb_sysfs_number(dir, "n", 10, &number));
    for (size_t i = 0; i <= sizeof none / sizeof none[0]; i++) {
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        fprintf(file, "%s\nmore\n", i < sizeof none / sizeof none[0] ? none[i] : " 18446744073709551615 ");
        fclose(file);
        assert_int_equal(lb_sysfs_number(dir, "n", 10, &number), i == sizeof none / sizeof none[0]);
        assert_false(lb_sysfs_number(dir, "n", 16, &number));
    }
    assert_true(number == UINT64_MAX);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_parts_with_tags_and_without),
        cmocka_unit_test(an_option_is_found_whole_and_its_value_as_it_was),
        cmocka_unit_test(what_is_no_escape_stays),
        cmocka_unit_test(a_number_is_one_from_end_to_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
