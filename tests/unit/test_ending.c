/* SPDX-License-Identifier: MIT */
/*
 * How a command ended, read from what the kernel says; what the client is told of Python's standard output;
 * what a process is called. Pure functions, fed with texts as they stand in /proc and /sys and with damaged
 * ones. The client's files are taken in whole, as no library has them.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/cli/cli.c"
#include "agent/cli/ending.c"
#include "agent/cli/python_stdout.c"
#include "common/unit_name.h"

#define CORE 0x80 /* in a wait status */

static void an_exit_code_is_passed_on_and_a_signal_becomes_128_and_its_number(void **state)
{
    static const struct {
        int status, code, is_signalled, has_core, exit_code;
    } cases[] = {
        { 0, 0, 0, 0, 0 },
        { 3 << 8, 3, 0, 0, 3 },
        { 255 << 8, 255, 0, 0, 255 },
        { SIGKILL, SIGKILL, 1, 0, 137 },
        { SIGSEGV | CORE, SIGSEGV, 1, 1, 139 },
        { 64, 64, 1, 0, 192 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lb_ending ending = { .started_ns = 1, .ended_ns = 2 };
        struct rusage usage = { .ru_utime = { 2, 7 }, .ru_stime = { 1, 999999 }, .ru_maxrss = 1234 };

        lb_ending_take(&ending, cases[i].status, &usage);
        assert_int_equal(ending.code, cases[i].code);
        assert_int_equal(ending.is_signalled, cases[i].is_signalled);
        assert_int_equal(ending.has_core, cases[i].has_core);
        assert_int_equal(lb_ending_exit_code(&ending), cases[i].exit_code);
        assert_int_equal(ending.cpu_us, 4000006);
        assert_int_equal(ending.peak_rss_kib, 1234);
        assert_int_equal(ending.started_ns, 1);
        assert_int_equal(ending.ended_ns, 2);
    }
}

/* -1: none */
static int64_t kills_in(const char *text)
{
    uint64_t kills;

    return lb_ending_read_oom_kills(text, strlen(text), &kills) ? (int64_t)kills : -1;
}

static void oom_kills_are_read_from_a_line_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(kills_in("low 0\nhigh 0\nmax 31\noom 4\noom_kill 3\noom_group_kill 1\n"), 3);
    assert_int_equal(kills_in("pgmajfault 7\noom_kill 0\nnuma_hit 12\n"), 0);
    assert_int_equal(kills_in("oom_kill 12"), 12);
    assert_int_equal(kills_in("oom_kill 9223372036854775807\n"), INT64_MAX);
}

static void no_number_of_oom_kills_is_made_up(void **state)
{
    static const char *const texts[] = {
        "",
        "low 0\noom 4\n",
        "oom_group_kill 1\n",
        "xoom_kill 1\n",
        "oom_kill\n",
        "oom_kill \n",
        "oom_kill x\n",
        "oom_kill 1x\n",
        "oom_kill -1\n",
        "oom_kill  1\n",
        "oom_kill 99999999999999999999\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(kills_in(texts[i]), -1);
}

static void the_cgroup_is_the_one_of_version_2(void **state)
{
    static const struct {
        const char *text, *path;
    } cases[] = {
        { "0::/system.slice/web.service\n", "/system.slice/web.service" },
        { "9:name=systemd:/a\n4:memory:/b\n0::/c\n", "/c" },
        { "0::/", "/" },
        { "10::/no\n0::/yes\n", "/yes" },
        { "", NULL },
        { "4:memory:/b\n", NULL },
        { "0::\n", NULL },
        { "0::relative\n", NULL },
        { "0::/longer-than-the-room-that-there-is-for-it\n", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[32] = "untouched";
        bool is_found = lb_ending_find_cgroup(cases[i].text, strlen(cases[i].text), path, sizeof path);

        assert_int_equal(is_found, cases[i].path != NULL);
        assert_string_equal(path, cases[i].path ? cases[i].path : "untouched");
    }
}

static void a_watch_that_saw_no_kill_blames_no_oom(void **state)
{
    struct lb_oom_watch none = { .path = "" }, gone = { .path = "/nonexistent/memory.events" };

    (void)state;
    assert_false(lb_oom_watch_has_killed(&none));
    assert_false(lb_oom_watch_has_killed(&gone));
}

static void a_counter_that_rose_is_an_oom_kill(void **state)
{
    char dir[] = "/tmp/logboom-test-XXXXXX";
    struct lb_oom_watch watch = { .kills = 2 };
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(watch.path, sizeof watch.path, "%s/memory.events", dir);
    for (unsigned kills = 0; kills < 5; kills++) {
        file = fopen(watch.path, "w");
        assert_non_null(file);
        fprintf(file, "oom 9\noom_kill %u\n", kills);
        fclose(file);
        assert_int_equal(lb_oom_watch_has_killed(&watch), kills > 2);
    }
    unlink(watch.path);
    rmdir(dir);
}

static enum lb_python_stdout chosen(const char *text, const char *service)
{
    return lb_python_stdout_choose(text, strlen(text), service);
}

static void a_service_has_its_own_value_else_that_of_all_else_the_default(void **state)
{
    static const char text[] =
        "python_stdout keep\npython_stdout unbuffered web@1\npython_stdout line db/a:b\n";

    (void)state;
    assert_int_equal(chosen(text, "web@1"), LB_PYTHON_UNBUFFERED);
    assert_int_equal(chosen(text, "db/a:b"), LB_PYTHON_LINE);
    assert_int_equal(chosen(text, "web"), LB_PYTHON_KEEP);
    assert_int_equal(chosen(text, ""), LB_PYTHON_KEEP);
    assert_int_equal(chosen("", "web"), LB_PYTHON_LINE);
    assert_int_equal(chosen("python_stdout keep web\n", "db"), LB_PYTHON_LINE);
    assert_int_equal(chosen("python_stdout keep web\npython_stdout unbuffered\n", "web"), LB_PYTHON_KEEP);
    assert_int_equal(chosen("python_stdout keep\npython_stdout unbuffered", "web"), LB_PYTHON_UNBUFFERED);
}

static void nonsense_in_the_agents_file_changes_nothing(void **state)
{
    static const char *const texts[] = {
        "\n\n",
        "python_stdout\n",
        "python_stdout loud\n",
        "python_stdout keep web more\n",
        "python_stdoutkeep\n",
        "python_stderr keep\n",
        "keep\n",
        "python_stdout KEEP\n",
        "python_stdout keeping\n",
        "python_stdout\tkeep\n",
        "# python_stdout keep\n",
        "\xff\xfe python_stdout keep\n",
    };
    char bytes[512];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(chosen(texts[i], "web"), LB_PYTHON_LINE);
    assert_int_equal(lb_python_stdout_choose("python_stdout keep\0\n", 20, "web"), LB_PYTHON_LINE);
    assert_int_equal(chosen("rubbish\n python_stdout  keep \nrubbish", "web"), LB_PYTHON_KEEP);
    for (unsigned seed = 1; seed <= 2000; seed++) { /* any bytes at all: it only has to come back */
        unsigned random = seed;

        for (size_t i = 0; i < sizeof bytes; i++) {
            random = random * 1103515245u + 12345u;
            bytes[i] = "python_stdout keep\n\0 line"[(random >> 16) % 25];
        }
        assert_true(lb_python_stdout_choose(bytes, seed % sizeof bytes, "web") < LB_PYTHON_COUNT);
    }
}

static void the_unit_is_the_innermost_service_of_the_path(void **state)
{
    static const struct {
        const char *text, *unit;
    } cases[] = {
        { "0::/system.slice/web.service\n", "web" },
        { "0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1" },
        { "0::/user.slice/user-1000.slice/user@1000.service/app.slice/mine.service\n", "mine" },
        { "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "user@1000" },
        { "0::/system.slice/web.service/worker", "web" },
        { "1:name=systemd:/system.slice/web.service\n0::/\n", "web" },
        { "0::/system.slice/web.services/x\n", "" },
        { "0::/system.slice/a.service.d/b.service\n", "b" },
        { "0::/user.slice/session-1.scope\n", "" },
        { "0::/.service\n", "" },
        { "", "" },
        { "\n\n", "" },
        { "0::/system.slice/a-name-that-is-longer-than-room.service\n", "a-name-that-is-longer-t" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char unit[24] = "";

        assert_int_equal(lb_unit_name_in(cases[i].text, unit, sizeof unit), strlen(cases[i].unit));
        assert_string_equal(unit, cases[i].unit);
    }
}

static void a_program_goes_by_the_name_that_the_kernel_gives_it(void **state)
{
    static const struct {
        const char *path, *name;
    } cases[] = {
        { "python3", "python3" },
        { "/usr/bin/python3", "python3" },
        { "./a b.py", "a_b.py" },
        { "/opt/a-very-long-program-name", "a-very-long-pro" },
        { "dir/", "" },
        { "", "" },
        { "/x/caf\xc3\xa9", "caf__" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[LB_PROGRAM_NAME_MAX + 1];

        assert_int_equal(lb_program_name(cases[i].path, name), strlen(cases[i].name));
        assert_string_equal(name, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exit_code_is_passed_on_and_a_signal_becomes_128_and_its_number),
        cmocka_unit_test(oom_kills_are_read_from_a_line_of_their_own),
        cmocka_unit_test(no_number_of_oom_kills_is_made_up),
        cmocka_unit_test(the_cgroup_is_the_one_of_version_2),
        cmocka_unit_test(a_watch_that_saw_no_kill_blames_no_oom),
        cmocka_unit_test(a_counter_that_rose_is_an_oom_kill),
        cmocka_unit_test(a_service_has_its_own_value_else_that_of_all_else_the_default),
        cmocka_unit_test(nonsense_in_the_agents_file_changes_nothing),
        cmocka_unit_test(the_unit_is_the_innermost_service_of_the_path),
        cmocka_unit_test(a_program_goes_by_the_name_that_the_kernel_gives_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
