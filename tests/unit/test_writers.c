/* SPDX-License-Identifier: MIT */
/*
 * Who makes the kernel write.
 *
 * The story: a device with a card. Services dirty pages, the card is written to half a minute later; scripts
 * start children and wait for them or do not; pids are used again; some may not be read. Each byte of the
 * card is told of once, under the program that caused it, or of none.
 */
#include "agent/wear/writers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/lib_proc.h"
#include "tests/unit/lib_writers.h"

#define MIB (1ull << 20)

/* ---- when bytes count ---- */

static void the_first_look_takes_counters_as_they_are(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "web");
    proc_io(10, 500 * MIB, 0);
    assert_int_equal(look(9 * MIB, 0), 0);
    assert_int_equal(looks.view.programs, 0);
    proc_io(10, 501 * MIB, 0);
    assert_int_equal(look(9 * MIB, 0), 0);
    assert_int_equal(given("web", CARD), MIB);
    assert_int_equal(looks.view.processes_seen, 1);
    assert_int_equal(looks.view.processes_refused, 0);
}

static void what_is_dirtied_now_counts_when_the_card_is_written_to(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "web");
    look(0, 0);
    proc_io(10, 5 * MIB, 0);
    look_after(30, 4096, 0);
    assert_int_equal(given("web", CARD), 4096);
    look_after(30, 6 * MIB, 0);
    assert_int_equal(given("web", CARD), 5 * MIB);
    assert_int_equal(program("web", "")->delta_bytes[CARD], 5 * MIB - 4096);
    look(MIB, 0);
    assert_int_equal(given("web", CARD), 5 * MIB);
    assert_int_equal(program("web", "")->delta_bytes[CARD], 0);
}

static void what_the_card_does_not_see_within_two_minutes_is_dropped(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "web");
    look(0, 0);
    proc_io(10, 5 * MIB, 0);
    look(0, 0);
    look(MIB, 0);
    look(9 * MIB, 0);
    assert_int_equal(given("web", CARD), MIB);
}

static void two_programs_have_the_card_in_proportion(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "web");
    proc_start(11, 1, 100, "base");
    proc_start(12, 1, 100, "base");
    look(0, 0);
    proc_io(10, MIB, 0);
    proc_io(11, MIB, 0);
    proc_io(12, 2 * MIB, 0);
    look(2 * MIB, 0);
    assert_int_equal(given("web", CARD), MIB / 2);
    assert_int_equal(given("base", CARD), 3 * MIB / 2);
}

static void bytes_that_were_taken_back_do_not_count(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "web");
    look(0, 0);
    proc_io(10, 5 * MIB, 2 * MIB);
    look(0, 0);
    proc_io(10, 5 * MIB, 4 * MIB); /* before the card was written to */
    look_after(10, 9 * MIB, 0);
    assert_int_equal(given("web", CARD), MIB);
    proc_io(10, 5 * MIB, 9 * MIB); /* another's: less than nothing is nothing */
    look(9 * MIB, 0);
    proc_io(10, 6 * MIB, 9 * MIB);
    look(9 * MIB, 0);
    assert_int_equal(given("web", CARD), 2 * MIB);
}

/* ---- who it is ---- */

static void a_process_that_is_new_began_at_nothing(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "web");
    look(0, 0);
    proc_start(11, 1, 400000, "backup");
    proc_io(11, 3 * MIB, MIB);
    look(9 * MIB, 0);
    assert_int_equal(given("backup", CARD), 2 * MIB);
}

static void a_pid_that_is_used_again_is_another_process(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "web");
    proc_io(10, 8 * MIB, 0);
    look(0, 0);
    proc_start(10, 1, 400000, "backup");
    proc_io(10, 9 * MIB, 0);
    look(20 * MIB, 0);
    assert_int_equal(given("backup", CARD), 9 * MIB);
    proc_start(10, 1, 500000, "less");
    proc_io(10, MIB, 0);
    look(20 * MIB, 0);
    assert_int_equal(given("less", CARD), MIB);
    assert_int_equal(given("web", CARD), 0);
    assert_int_equal(looks.view.processes_seen, 1);
}

static void a_pid_that_is_used_again_by_one_that_cannot_be_read_is_followed(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "web");
    proc_io(10, 8 * MIB, 0);
    look(0, 0);
    proc_start(10, 1, 400000, "odd");
    proc_print("/proc/10/io", "x");
    look(0, 0);
    assert_int_equal(looks.view.processes_refused, 1);
    proc_io(10, 50 * MIB, 0);
    look(99 * MIB, 0);
    assert_int_equal(given("odd", CARD), 0);
    proc_io(10, 51 * MIB, 0);
    look(99 * MIB, 0);
    assert_int_equal(given("odd", CARD), MIB);
}

static void a_process_that_executes_another_program_is_that_from_then_on(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "sh");
    look(0, 0);
    proc_io(10, MIB, 0);
    look(MIB, 0);
    proc_start(10, 1, 100, "web");
    proc_print("/proc/10/cgroup", "0::/system.slice/web.service\n");
    proc_io(10, 3 * MIB, 0);
    look(9 * MIB, 0);
    assert_int_equal(given("sh", CARD), MIB);
    assert_int_equal(program("web", "web.service")->bytes[CARD], 2 * MIB);
}

static void it_is_told_which_program_is_ours(void **state)
{
    (void)state;
    proc_start(OWN_PID, 1, 100, "logboomd");
    proc_start(10, 1, 100, "web");
    look(0, 0);
    proc_io(OWN_PID, MIB, 0);
    proc_io(10, MIB, 0);
    look(9 * MIB, 0);
    assert_true(program("logboomd", "")->is_ours);
    assert_false(program("web", "")->is_ours);
}

/* ---- children ---- */

static void a_child_that_was_waited_for_counts_once(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "sh");
    proc_start(11, 10, 200, "dd");
    look(0, 0);
    proc_io(11, 5 * MIB, 0);
    look(5 * MIB, 0);
    assert_int_equal(given("dd", CARD), 5 * MIB);
    proc_end(11); /* after another MiB */
    proc_io(10, 6 * MIB + 4096, 0);
    look(20 * MIB, 0);
    assert_int_equal(given("dd", CARD), 5 * MIB);
    assert_int_equal(given("sh", CARD), MIB + 4096);
}

static void a_child_that_came_and_went_is_its_parents(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "sh");
    look(0, 0);
    proc_io(10, 5 * MIB, 0);
    look(9 * MIB, 0);
    assert_int_equal(given("sh", CARD), 5 * MIB);
}

static void a_parent_that_does_not_wait_keeps_its_own_bytes(void **state)
{
    static const char io[] = "rchar: %llu\nwchar: %llu\nwrite_bytes: %llu\ncancelled_write_bytes: %llu\n";

    (void)state;
    proc_start(9, 1, 50, "manager");
    proc_start(10, 9, 100, "server");
    proc_start(11, 10, 200, "worker");
    proc_print("/proc/11/io", io, 5 * MIB, 5 * MIB, 5 * MIB, MIB);
    look(0, 0);
    proc_end(11);
    proc_io(9, 51 * MIB, MIB); /* not the parent: it has nothing of it */
    /* It has dirtied less than the child had: that was not added. */
    proc_print("/proc/10/io", io, 5 * MIB, 5 * MIB, 4 * MIB, MIB);
    look(99 * MIB, 0);
    assert_int_equal(given("server", CARD), 3 * MIB);
    assert_int_equal(given("manager", CARD), 50 * MIB);
}

static void a_parent_is_known_by_all_counters(void **state)
{
    static const char io[] = "rchar: %llu\nwchar: %llu\nwrite_bytes: %llu\ncancelled_write_bytes: %llu\n";
    static const unsigned long long grown[][4] = {
        { 4 * MIB, 5 * MIB, 5 * MIB, MIB },
        { 5 * MIB, 4 * MIB, 5 * MIB, MIB },
        { 5 * MIB, 5 * MIB, 5 * MIB, 0 },
    };

    (void)state;
    for (int i = 0; i < 3; i++) {
        char path[32];

        proc_start(10 + i, 1, 100, "server");
        proc_start(20 + i, 10 + i, 200, "worker");
        snprintf(path, sizeof path, "/proc/%d/io", 20 + i);
        proc_print(path, io, 5 * MIB, 5 * MIB, 5 * MIB, MIB);
    }
    look(0, 0);
    for (int i = 0; i < 3; i++) {
        char path[32];

        proc_end(20 + i);
        snprintf(path, sizeof path, "/proc/%d/io", 10 + i);
        proc_print(path, io, grown[i][0], grown[i][1], grown[i][2], grown[i][3]);
    }
    look(99 * MIB, 0);
    assert_int_equal(given("server", CARD), 13 * MIB);
}

static void a_child_and_its_parent_that_both_went_are_found_at_who_waited_for_them(void **state)
{
    (void)state;
    proc_start(1, 0, 1, "init");
    proc_start(10, 1, 100, "cron");
    proc_start(11, 10, 200, "sh");
    proc_start(12, 11, 201, "dd");
    proc_start(20, 1, 202, "daemon");
    look(0, 0);
    proc_io(11, MIB, 0);
    proc_io(12, 5 * MIB, 0);
    proc_io(20, 3 * MIB, 0);
    look(9 * MIB, 0);
    proc_end(11);
    proc_end(12);
    proc_end(20);
    proc_io(10, 7 * MIB, 0); /* sh, dd, and a MiB that nobody saw */
    proc_io(1, 3 * MIB, 0);  /* init waits for the daemon */
    look(20 * MIB, 0);
    assert_int_equal(given("dd", CARD), 5 * MIB);
    assert_int_equal(given("sh", CARD), MIB);
    assert_int_equal(given("cron", CARD), MIB);
    assert_int_equal(given("daemon", CARD), 3 * MIB);
    assert_int_equal(given("init", CARD), 0);
}

static void an_orphan_is_found_at_init(void **state)
{
    (void)state;
    proc_start(1, 0, 1, "init");
    proc_start(10, 1, 100, "sh");
    proc_start(11, 10, 200, "dd");
    proc_io(11, 5 * MIB, 0);
    look(0, 0);
    proc_end(10);
    look(0, 0);
    proc_end(11);
    proc_io(1, 5 * MIB, 0);
    look(9 * MIB, 0);
    assert_int_equal(given("init", CARD), 0);
}

/* ---- what cannot be read ---- */

static void who_may_not_be_read_is_refused_and_later_taken_as_it_is(void **state)
{
    char path[128];
    bool is_root = geteuid() == 0;

    (void)state;
    snprintf(path, sizeof path, "%s/proc/10/io", proc_root);
    proc_start(10, 1, 100, "secret");
    proc_io(10, 100 * MIB, 0);
    proc_start(11, 1, 100, "web");
    assert_int_equal(chmod(path, 0), 0);
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    assert_int_equal(look(0, 0), 0);
    assert_int_equal(looks.view.processes_seen, 2);
    assert_int_equal(looks.view.processes_refused, 1);
    assert_int_equal(look(0, 0), 0);
    assert_int_equal(looks.view.processes_refused, 1);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(path, 0400), 0);
    look(9 * MIB, 0);
    assert_int_equal(looks.view.processes_refused, 0);
    assert_int_equal(given("secret", CARD), 0);
    proc_io(10, 101 * MIB, 0);
    look(9 * MIB, 0);
    assert_int_equal(given("secret", CARD), MIB);
}

static void a_process_that_goes_while_it_is_read_is_no_error(void **state)
{
    (void)state;
    proc_print("/proc/10/environ", "x"); /* neither io nor stat */
    proc_print("/proc/11/stat", "11 (x) S 1 7 7 0 -1 0 9 9 0 0 1 2 3 4 20 0 1 0 5 1\n");
    proc_print("/proc/12x/stat", "x");
    proc_print("/proc/99999999999/stat", "x");
    proc_print("/proc/uptime", "1 1\n");
    assert_int_equal(look(0, 0), 0);
    assert_int_equal(looks.view.processes_seen, 0);
    assert_int_equal(looks.view.processes_refused, 0);
}

static void without_proc_it_is_an_error_and_nobody_is_forgotten(void **state)
{
    char from[128], to[128];

    (void)state;
    proc_start(10, 1, 100, "web");
    proc_io(10, 100 * MIB, 0);
    look(0, 0);
    snprintf(from, sizeof from, "%s/proc", proc_root);
    snprintf(to, sizeof to, "%s/away", proc_root);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(look(MIB, 0), -ENOENT);
    assert_int_equal(rename(to, from), 0);
    proc_io(10, 101 * MIB, 0);
    assert_int_equal(look(9 * MIB, 0), 0);
    assert_int_equal(given("web", CARD), MIB);
}

static void counters_that_make_no_sense_are_refused(void **state)
{
    static const char *const ios[] = {
        "",
        "\n\n\n",
        "write_bytes: 1\n",
        "rchar: 0\nwchar: 0\nwrite_bytes: -1\ncancelled_write_bytes: 0\n",
        "rchar: 0\nwchar: 0\nwrite_bytes: 99999999999999999999999\ncancelled_write_bytes: 0\n",
        "rchar: 0\nwchar: 0\nwrite_bytes: 0x10\ncancelled_write_bytes: 0\n",
        "rchar: 0\nwchar: 0\nwrite_bytes:\ncancelled_write_bytes: 0\n",
        "rchar: 0\nwchar: 0\ncancelled_write_bytes: 0\n",
        "\x7f\x45\x4c\x46\xff\xfe",
    };

    (void)state;
    proc_start(10, 1, 100, "web");
    proc_start(11, 1, 100, "odd");
    look(0, 0);
    for (size_t i = 0; i < sizeof ios / sizeof ios[0]; i++) {
        proc_print("/proc/11/io", "%s", ios[i]);
        assert_int_equal(look(9 * MIB, 0), 0);
        assert_int_equal(looks.view.processes_refused, 1);
    }
    proc_io(11, 100 * MIB, 0);
    look(9 * MIB, 0);
    assert_int_equal(looks.view.processes_refused, 0);
    assert_int_equal(given("odd", CARD), 0); /* nobody knows since when */
}

static void a_stat_that_makes_no_sense_is_refused(void **state)
{
    static const char *const stats[] = {
        "",
        "11",
        "11 (",
        "11 )x(",
        "11 (x)",
        "11 (x) ",
        "11 (x) S 1 7 7 0 -1 0 9 9 0 0 1 2 3 4 20 0 1 0",
        "11 (x) S -1 7 7 0 -1 0 9 9 0 0 1 2 3 4 20 0 1 0 5 1",
        "11 (x) S 99999999999 7 7 0 -1 0 9 9 0 0 1 2 3 4 20 0 1 0 5 1",
        "11 (x) S 1 7 7 0 -1 0 9 9 0 0 1 2 3 4 20 0 1 0 -5 1",
        "\xff\xfe(\x01)\x02",
    };
    char binary[2000];

    (void)state;
    memset(binary, ')', sizeof binary);
    proc_start(11, 1, 100, "odd");
    look(0, 0);
    for (size_t i = 0; i <= sizeof stats / sizeof stats[0]; i++) {
        if (i < sizeof stats / sizeof stats[0])
            proc_print("/proc/11/stat", "%s", stats[i]);
        else
            proc_put("/proc/11/stat", binary, sizeof binary);
        proc_io(11, (i + 1) * MIB, 0); /* it has moved, so it is asked who it is */
        assert_int_equal(look(9 * MIB, 0), 0);
        assert_int_equal(looks.view.processes_refused, 1);
        assert_int_equal(looks.view.programs, 0);
        proc_start(11, 1, 100, "odd");
        proc_io(11, (i + 1) * MIB, 0);
        assert_int_equal(look(9 * MIB, 0), 0);
        assert_int_equal(looks.view.processes_refused, 0);
        assert_int_equal(looks.view.programs, 0);
    }
}

static void numbers_beyond_belief_are_bounded_by_the_card(void **state)
{
    (void)state;
    proc_start(10, 1, 100, "web");
    proc_start(11, 1, 100, "huge");
    look(0, 0);
    proc_io(10, MIB, 0);
    proc_io(11, UINT64_MAX, 0);
    look(4 * MIB, 0);
    assert_true(given("huge", CARD) <= 4 * MIB);
    proc_io(11, UINT64_MAX, UINT64_MAX);
    look(4 * MIB, 0);
    assert_true(given("huge", CARD) <= 8 * MIB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, looks_begin, looks_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_look_takes_counters_as_they_are),
        TEST(what_is_dirtied_now_counts_when_the_card_is_written_to),
        TEST(what_the_card_does_not_see_within_two_minutes_is_dropped),
        TEST(two_programs_have_the_card_in_proportion),
        TEST(bytes_that_were_taken_back_do_not_count),
        TEST(a_process_that_is_new_began_at_nothing),
        TEST(a_pid_that_is_used_again_is_another_process),
        TEST(a_pid_that_is_used_again_by_one_that_cannot_be_read_is_followed),
        TEST(a_process_that_executes_another_program_is_that_from_then_on),
        TEST(it_is_told_which_program_is_ours),
        TEST(a_child_that_was_waited_for_counts_once),
        TEST(a_child_that_came_and_went_is_its_parents),
        TEST(a_parent_that_does_not_wait_keeps_its_own_bytes),
        TEST(a_parent_is_known_by_all_counters),
        TEST(a_child_and_its_parent_that_both_went_are_found_at_who_waited_for_them),
        TEST(an_orphan_is_found_at_init),
        TEST(who_may_not_be_read_is_refused_and_later_taken_as_it_is),
        TEST(a_process_that_goes_while_it_is_read_is_no_error),
        TEST(without_proc_it_is_an_error_and_nobody_is_forgotten),
        TEST(counters_that_make_no_sense_are_refused),
        TEST(a_stat_that_makes_no_sense_is_refused),
        TEST(numbers_beyond_belief_are_bounded_by_the_card),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
