/* SPDX-License-Identifier: MIT */
/*
 * What a writer is called.
 *
 * The story: a device with services, sessions, containers and kernel threads. A program is the name that the
 * kernel has for it, of any bytes, and the systemd unit that it runs in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/lib_proc.h"
#include "tests/unit/lib_writers.h"

#define MIB (1ull << 20)

static void a_name_may_have_any_bytes(void **state)
{
    static const char *const names[] = {
        "a b", "a) S 1 (b", "line\nend", "(sd-pam)", "", ")", "\xff\x01%s\\"
    };
    const int count = sizeof names / sizeof names[0];

    (void)state;
    for (int i = 0; i < count; i++)
        proc_start(10 + i, 1, 100, names[i]);
    look(0, 0);
    for (int i = 0; i < count; i++)
        proc_io(10 + i, MIB, 0);
    look(50 * MIB, 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(given(names[i], CARD), MIB);
    assert_int_equal(looks.view.programs, count);
}

static void the_unit_is_that_of_systemd_in_both_layouts(void **state)
{
    static const char *const rows[][2] = {
        { "0::/system.slice/cron.service\n", "cron.service" },
        { "0::/\n", "" },
        { "0::/init.scope\n", "init.scope" },
        { "0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope" },
        { "0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", "web.service" },
        { "0::/user.slice/user-1000.slice/user@1000.service/app.slice\n", "user@1000.service" },
        { "0::/system.slice/system-getty.slice/getty@tty1.service/sub\n", "getty@tty1.service" },
        { "0::/system.slice/ssh.socket\n", "ssh.socket" },
        { "0::/system.slice/docker-0123456789abcdef.scope\n", "docker-0123456789abcdef.scope" },
        { "12:memory:/other.service\n1:name=systemd:/system.slice/cron.service\n0::/\n", "cron.service" },
        { "12:memory:/other.service\n0::/\n", "" },
        { "0::/.service\n", "" },
        { "0::/a.service.d/b.servicex\n", "" },
        { "garbage", "" },
        { "", "" },
        { "\n\n::\n0::", "" },
    };
    const int count = sizeof rows / sizeof rows[0];
    char name[32], path[64];

    (void)state;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "row%d", i);
        snprintf(path, sizeof path, "/proc/%d/cgroup", 10 + i);
        proc_start(10 + i, 1, 100, name);
        proc_print(path, "%s", rows[i][0]);
    }
    look(0, 0);
    for (int i = 0; i < count; i++)
        proc_io(10 + i, MIB, 0);
    look(50 * MIB, 0);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "row%d", i);
        assert_non_null(program(name, rows[i][1]));
    }
}

static void the_kernels_workers_are_one_program(void **state)
{
    (void)state;
    proc_start(10, 2, 100, "kworker/0:1-events");
    proc_start(11, 2, 100, "kworker/u8:2-flush-8:0");
    proc_start(12, 1, 100, "kworker/fake");
    proc_print("/proc/10/stat",
               "10 (kworker/0:1-events) I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 20 0 1 0 9 0\n");
    proc_print("/proc/11/stat",
               "11 (kworker/u8:2-flush-8:0) I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 20 0 1 0 9 0\n");
    look(0, 0);
    proc_io(10, MIB, 0);
    proc_io(11, MIB, 0);
    proc_io(12, MIB, 0);
    look(2 * MIB, 0); /* programs are paid before them */
    assert_int_equal(given("kworker", CARD), MIB);
    assert_int_equal(given("kworker/fake", CARD), MIB);
    look(9 * MIB, 0);
    assert_int_equal(given("kworker", CARD), 2 * MIB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, looks_begin, looks_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_may_have_any_bytes),
        TEST(the_unit_is_that_of_systemd_in_both_layouts),
        TEST(the_kernels_workers_are_one_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
