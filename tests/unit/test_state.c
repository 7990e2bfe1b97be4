/* SPDX-License-Identifier: MIT */
/*
 * The state file: names of services, books, and what becomes of a file that is
 * none. The commits in it have a test of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/lib_store.h"

static struct store store;

static int begin(void **state)
{
    (void)state;
    store_begin(&store, 65536, 0, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    store_end(&store);
    return 0;
}

static uint32_t row_of(const char *name)
{
    return lb_state_service(&store.state, name, strlen(name));
}

static uint32_t find(const char *name, uint32_t hint)
{
    return lb_state_find_service(&store.state, name, strlen(name), hint);
}

static void a_service_keeps_its_row(void **state)
{
    uint32_t web = row_of("web"), db = row_of("db");

    (void)state;
    assert_int_not_equal(web, db);
    store_restart(&store);
    assert_int_equal(row_of("web"), web);
    assert_int_equal(row_of("db"), db);
    assert_int_equal(find("db", db), db);
    assert_int_equal(find("db", web), db);
    assert_int_equal(find("db", UINT32_MAX), db);
    assert_int_not_equal(row_of("we"), web); /* a name is not its beginning */
    assert_int_not_equal(row_of("webb"), web);
}

static void a_service_that_has_no_row_is_among_the_others(void **state)
{
    (void)state;
    row_of("web");
    assert_int_equal(find("db", 0), LB_SERVICES_BOOKS - 1);
}

static void a_name_may_be_as_long_as_names_are(void **state)
{
    char name[200];
    uint32_t longest;

    (void)state;
    memset(name, 'n', sizeof name);
    longest = lb_state_service(&store.state, name, 128);
    assert_int_equal(lb_state_find_service(&store.state, name, 128, 7), longest);
    assert_int_not_equal(lb_state_service(&store.state, name, 127), longest);
    assert_int_equal(lb_state_service(&store.state, name, sizeof name),
                     longest); /* longer ones are not legal */
}

static void services_beyond_the_table_share_the_last_row(void **state)
{
    char name[16];

    (void)state;
    for (unsigned i = 0; i < LB_SERVICES_BOOKS - 1; i++) {
        snprintf(name, sizeof name, "s%u", i);
        assert_int_equal(row_of(name), i);
    }
    for (unsigned i = LB_SERVICES_BOOKS - 1; i < LB_SERVICES_BOOKS + 20; i++) {
        snprintf(name, sizeof name, "s%u", i);
        assert_int_equal(row_of(name), LB_SERVICES_BOOKS - 1);
        assert_int_equal(find(name, i), LB_SERVICES_BOOKS - 1);
        if (i % 7 == 0)
            store_restart(&store);
    }
    assert_int_equal(store.state.file->name[LB_SERVICES_BOOKS - 1].len, 8);
    assert_memory_equal(store.state.file->name[LB_SERVICES_BOOKS - 1].text, "(others)", 8);
    assert_int_equal(row_of("s17"), 17);
}

static void books_are_true_with_their_publish(void **state)
{
    uint32_t at = row_of("web") * LB_BOOK_FAST_WORDS + LB_BOOK_QUEUED_LINES;

    (void)state;
    lb_commit_add(&store.state.fast, LB_FAST_BOOKS, at, 5);
    lb_commit_publish(&store.state.fast);
    lb_commit_add(&store.state.fast, LB_FAST_BOOKS, at, 2);
    store_restart(&store);
    assert_int_equal(lb_commit_get(&store.state.fast, LB_FAST_BOOKS, at), 5);
    assert_int_equal(lb_commit_get(&store.state.slow, LB_SLOW_BOOKS, 0), 0);
}

static void the_last_word_of_each_table_has_its_place(void **state)
{
    (void)state;
    lb_commit_set(&store.state.fast, LB_FAST_BOOKS, LB_SERVICES_BOOKS * LB_BOOK_FAST_WORDS - 1, 1);
    lb_commit_set(&store.state.fast, LB_FAST_TOLD, LB_LOSS_SLOTS - 1, 2);
    lb_commit_publish(&store.state.fast);
    lb_commit_set(&store.state.slow, LB_SLOW_BOOKS, LB_SERVICES_BOOKS * LB_BOOK_SLOW_WORDS - 1, 3);
    lb_commit_set(&store.state.slow, LB_SLOW_LOSS, LB_LOSS_SLOTS * LB_LOSS_WORDS - 1, 4);
    lb_commit_publish(&store.state.slow);
    assert_int_equal(store.state.file->books_fast[LB_SERVICES_BOOKS * LB_BOOK_FAST_WORDS - 1], 1);
    assert_int_equal(store.state.file->told[LB_LOSS_SLOTS - 1], 2);
    assert_int_equal(store.state.file->books_slow[LB_SERVICES_BOOKS * LB_BOOK_SLOW_WORDS - 1], 3);
    assert_int_equal(store.state.file->loss[LB_LOSS_SLOTS * LB_LOSS_WORDS - 1], 4);
    assert_true(sizeof(struct lb_state_file) <= store.state.map.header_bytes);
}

/* ---- files ---- */

static void a_file_that_is_no_state_is_set_aside(void **state)
{
    struct stat st;

    (void)state;
    for (int damage = 0; damage < 5; damage++) {
        int fd = openat(store.dir_fd, "state", O_RDWR | O_CLOEXEC);

        row_of("web");
        if (damage < 3)
            assert_int_equal(pwrite(fd, "X", 1, 8 * damage), 1); /* magic, format, bytes */
        else
            assert_int_equal(ftruncate(fd, damage == 3 ? LB_MAP_ALIGN : 0), 0);
        close(fd);
        store_restart(&store);
        assert_true(store.state.was_damaged && store.state.is_new);
        assert_int_equal(fstatat(store.dir_fd, "state.damaged", &st, 0), 0);
        assert_int_equal(store.state.file->name[0].len, 0);
        store_restart(&store);
        assert_false(store.state.was_damaged || store.state.is_new);
    }
}

static void the_file_is_ours_alone_and_wholly_there(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(fstat(store.state.map.fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(st.st_blocks * 512 >= st.st_size); /* no hole that a full tmpfs could not fill */
    assert_int_equal(st.st_size % LB_MAP_ALIGN, 0);
    assert_int_equal(fstat(store.ring.map.fd, &st), 0);
    assert_true(st.st_blocks * 512 >= st.st_size);
}

static void what_a_killed_start_left_is_no_file_yet(void **state)
{
    int fd = openat(store.dir_fd, "state.new", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    struct stat st;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    unlinkat(store.dir_fd, "state", 0);
    store_restart(&store);
    assert_true(store.state.is_new);
    assert_int_equal(fstatat(store.dir_fd, "state", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_not_equal(fstatat(store.dir_fd, "state.new", &st, 0), 0);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_service_keeps_its_row),
        CLAIM(a_service_that_has_no_row_is_among_the_others),
        CLAIM(a_name_may_be_as_long_as_names_are),
        CLAIM(services_beyond_the_table_share_the_last_row),
        CLAIM(books_are_true_with_their_publish),
        CLAIM(the_last_word_of_each_table_has_its_place),
        CLAIM(a_file_that_is_no_state_is_set_aside),
        CLAIM(the_file_is_ours_alone_and_wholly_there),
        CLAIM(what_a_killed_start_left_is_no_file_yet),
    };

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
