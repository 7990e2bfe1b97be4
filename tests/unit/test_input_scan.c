/* SPDX-License-Identifier: MIT */
/*
 * Finding the files that globs name.
 *
 * The story: a directory in tmpfs has log files and other things. A scan opens what is to be followed and
 * nothing else; a file keeps its id under another name, and a new one in its place has another.
 */
#include "agent/capture/input_scan.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[128];
static struct lb_scan scan;

static const char *at(const char *name)
{
    static char full[2][128];
    static unsigned next;

    next ^= 1;
    snprintf(full[next], sizeof full[next], "%s/%s", dir, name);
    return full[next];
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "ae");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/dev/shm/logboom-scan.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    memset(&scan, 0, sizeof scan);
    snprintf(path, sizeof path, "%s/*.log", dir);
    scan.inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    scan.globs = 1;
    scan.glob[0].name = "app";
    scan.glob[0].path = path;
    scan.glob[0].is_wanted = true;
    return scan.inotify_fd < 0 ? -1 : 0;
}

static void close_found(void)
{
    for (unsigned i = 0; i < scan.found_count; i++)
        if (scan.found[i].fd >= 0)
            close(scan.found[i].fd);
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    close_found();
    close(scan.inotify_fd);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command); // NOLINT(cert-env33-c): our own directory
}

static void nothing_but_regular_files_of_the_glob_is_opened(void **state)
{
    (void)state;
    put("a.log", "one\n");
    put("b.log", "");
    put("c.txt", "no\n");
    put("d.log.gz", "no\n");
    assert_int_equal(mkdir(at("dir.log"), 0755), 0);
    assert_int_equal(mkfifo(at("fifo.log"), 0644), 0);
    assert_int_equal(symlink("/dev/null", at("null.log")), 0);
    assert_int_equal(symlink("nowhere", at("broken.log")), 0);
    lb_scan_run(&scan);
    assert_int_equal(scan.found_count, 2);
    assert_int_equal(scan.glob[0].matches, 2);
    assert_string_equal(scan.glob[0].error, "");
    for (unsigned i = 0; i < 2; i++) {
        assert_true(scan.found[i].fd >= 0 && scan.found[i].wd >= 0);
        assert_true(scan.found[i].is_ram);
        assert_false(scan.found[i].is_gone);
    }
}

static void two_names_of_one_file_are_one(void **state)
{
    (void)state;
    put("a.log", "one\n");
    assert_int_equal(link(at("a.log"), at("b.log")), 0);
    assert_int_equal(symlink("a.log", at("c.log")), 0);
    lb_scan_run(&scan);
    assert_int_equal(scan.found_count, 1);
}

static void the_end_is_behind_the_last_whole_line(void **state)
{
    static char long_line[10000];

    (void)state;
    memset(long_line, 'x', sizeof long_line - 1);
    put("a.log", "one\ntwo\nhal");
    put("b.log", "half");
    put("c.log", long_line);
    lb_scan_run(&scan);
    assert_int_equal(scan.found_count, 3);
    assert_int_equal(scan.found[0].end, 8);
    assert_int_equal(scan.found[0].size, 11);
    assert_int_equal(scan.found[1].end, 0);
    assert_int_equal(scan.found[2].end, sizeof long_line - 1);
}

static void what_is_followed_is_told_but_not_opened_again(void **state)
{
    uint64_t id;

    (void)state;
    put("a.log", "one\n");
    lb_scan_run(&scan);
    assert_int_equal(scan.found_count, 1);
    id = scan.found[0].id;
    close_found();
    scan.known[scan.known_count++] = (struct lb_scan_known) { 0, id, 0 };
    assert_int_equal(rename(at("a.log"), at("b.log")), 0);
    lb_scan_run(&scan);
    assert_int_equal(scan.found_count, 1);
    assert_int_equal(scan.found[0].id, id);
    assert_int_equal(scan.found[0].fd, -1);
    put("a.log", "new\n");
    lb_scan_run(&scan);
    assert_int_equal(scan.found_count, 2);
    assert_int_not_equal(scan.found[0].id, id);
    assert_true(scan.found[0].fd >= 0);
}

static void what_was_followed_is_sought_under_any_name(void **state)
{
    uint64_t id, ino;

    (void)state;
    put("a.log", "one\n");
    lb_scan_run(&scan);
    id = scan.found[0].id;
    ino = scan.found[0].ino;
    close_found();
    assert_int_equal(rename(at("a.log"), at("a.log.1")), 0);
    scan.sought[scan.sought_count++] = (struct lb_scan_known) { 0, id, ino };
    scan.sought[scan.sought_count++] = (struct lb_scan_known) { 0, id + 1, ino };
    lb_scan_run(&scan);
    assert_int_equal(scan.found_count, 1);
    assert_int_equal(scan.found[0].id, id);
    assert_true(scan.found[0].is_gone && scan.found[0].fd >= 0);
    assert_int_equal(scan.glob[0].matches, 0);
}

static void there_is_a_bound_and_it_is_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= LB_INPUT_FILES; i++) {
        char name[32];

        snprintf(name, sizeof name, "%u.log", i);
        put(name, "");
    }
    lb_scan_run(&scan);
    assert_int_equal(scan.found_count, LB_INPUT_FILES);
    assert_true(scan.has_more);
}

static void an_id_tells_input_device_inode_and_birth_apart(void **state)
{
    uint64_t id = lb_scan_id("a", 1, 2, 3);

    (void)state;
    assert_int_equal(lb_scan_id("a", 1, 2, 3), id);
    assert_int_not_equal(lb_scan_id("b", 1, 2, 3), id);
    assert_int_not_equal(lb_scan_id("a", 2, 2, 3), id);
    assert_int_not_equal(lb_scan_id("a", 1, 3, 3), id);
    assert_int_not_equal(lb_scan_id("a", 1, 2, 4), id);
    assert_true(lb_scan_is_packed("/x/a.log.1.gz"));
    assert_false(lb_scan_is_packed("/x/a.log.1"));
    assert_false(lb_scan_is_packed(".gz"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_but_regular_files_of_the_glob_is_opened),
        TEST(two_names_of_one_file_are_one),
        TEST(the_end_is_behind_the_last_whole_line),
        TEST(what_is_followed_is_told_but_not_opened_again),
        TEST(what_was_followed_is_sought_under_any_name),
        TEST(there_is_a_bound_and_it_is_told),
        TEST(an_id_tells_input_device_inode_and_birth_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
