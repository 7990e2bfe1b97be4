/* SPDX-License-Identifier: MIT */
/*
 * The spool: what was acknowledged is there.
 *
 * The story: batches go to the card and come back, the agent is killed in between, the file is full, damaged,
 * of a newer program, or no file of ours. Nothing that was acknowledged is missing, and nothing else is
 * there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/spool.h"
#include "tests/unit/lib_store.h"

enum { ROWS = 64, PART_BYTES = 40000, PARTS = 7 };

static struct {
    char dir[64], path[96];
    struct lb_spool *spool;
    char why[LB_SPOOL_WHY_BYTES];
    uint64_t max_bytes;
    struct lb_spool_row row[ROWS];
    struct lb_spool_part part[ROWS][LB_SPOOL_PARTS_MAX];
    unsigned rows;
    uint8_t bytes[PARTS * PART_BYTES], back[PARTS * PART_BYTES];
} it;

static int open_spool(void)
{
    struct lb_spool_settings settings = { .path = it.path, .max_bytes = it.max_bytes, .any_ground = true };

    return lb_spool_open(&settings, &it.spool, it.why);
}

static void start(void)
{
    assert_int_equal(open_spool(), 0);
}

static void restart(void)
{
    lb_spool_close(it.spool);
    it.spool = NULL;
    start();
}

static int begin(void **state)
{
    (void)state;
    memset(&it, 0, sizeof it);
    random_begin();
    strcpy(it.dir, "/var/tmp/lb-spool.XXXXXX");
    if (!mkdtemp(it.dir))
        return -1;
    snprintf(it.path, sizeof it.path, "%s/spool.db", it.dir);
    it.max_bytes = 64 << 20;
    start();
    return 0;
}

static int end(void **state)
{
    DIR *dir = opendir(it.dir);
    struct dirent *entry;

    (void)state;
    lb_spool_close(it.spool);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    return rmdir(it.dir);
}

/* A batch whose bytes follow from its number. */
static void fill(unsigned number)
{
    uint32_t noise = number * 2654435761u + 1;

    for (size_t i = 0; i < sizeof it.bytes; i++) {
        noise = noise * 1664525u + 1013904223u;
        it.bytes[i] = (uint8_t)(noise >> 24);
    }
}

static int write_batch(unsigned number, const uint64_t *drop, unsigned drops, uint64_t *ret_id)
{
    struct lb_spool_part parts[PARTS];
    struct lb_spool_batch batch = { .parts = parts, .count = PARTS };
    uint64_t words[2] = { number, 7 };
    struct lb_spool_boot boot = { .ring_id = 99, .last_n = { number, 2 } };
    struct lb_spool_change change = { .insert = &batch,
                                      .insert_count = 1,
                                      .drop = drop,
                                      .drop_count = drops,
                                      .words = words,
                                      .word_count = 2,
                                      .boot = &boot };
    int rc;

    fill(number);
    memset(parts, 0, sizeof parts);
    for (unsigned i = 0; i < PARTS; i++) {
        parts[i].meta = (struct lb_segment_meta) { .ring_id = number,
                                                   .lane = LB_LANE_ROUTINE,
                                                   .first_n = 1 + i * 10,
                                                   .last_n = 10 + i * 10,
                                                   .lines = 10,
                                                   .wall_offset_ns = -5,
                                                   .why = LB_SPOOL_BACKLOG };
        parts[i].data = it.bytes + (size_t)i * PART_BYTES;
        parts[i].len = PART_BYTES;
    }
    rc = lb_spool_write(it.spool, &change);
    if (rc == 0 && ret_id)
        *ret_id = batch.ret_id;
    return rc;
}

static int drop_rows(const uint64_t *ids, unsigned count)
{
    struct lb_spool_change change = { .drop = ids, .drop_count = count };

    return lb_spool_write(it.spool, &change);
}

static void note(void *arg, const struct lb_spool_row *row)
{
    (void)arg;
    assert_true(it.rows < ROWS);
    it.row[it.rows] = *row;
    memcpy(it.part[it.rows], row->parts, row->count * sizeof *row->parts);
    it.rows++;
}

static void list(void)
{
    it.rows = 0;
    assert_int_equal(lb_spool_list(it.spool, note, NULL), 0);
}

static void assert_is_batch(uint64_t id, unsigned number)
{
    fill(number);
    assert_int_equal(lb_spool_read(it.spool, id, 0, it.back, sizeof it.back), 0);
    assert_memory_equal(it.back, it.bytes, sizeof it.bytes);
}

static bool is_there(const char *suffix)
{
    char path[128];

    snprintf(path, sizeof path, "%s%s", it.path, suffix);
    return access(path, F_OK) == 0;
}

/* ---- rows */

static void nothing_is_written_before_there_is_something_to_write(void **state)
{
    struct lb_spool_view view;

    (void)state;
    list();
    assert_int_equal(it.rows, 0);
    lb_spool_look(it.spool, &view);
    assert_false(view.is_there);
    assert_false(is_there(""));
}

static void a_batch_that_was_acknowledged_is_there_with_all_that_is_known_of_it(void **state)
{
    uint64_t id = 0;

    (void)state;
    assert_int_equal(write_batch(1, NULL, 0, &id), 0);
    restart(); /* as after a kill: nothing is done at a close */
    list();
    assert_int_equal(it.rows, 1);
    assert_int_equal(it.row[0].id, id);
    assert_int_equal(it.row[0].count, PARTS);
    assert_int_equal(it.part[0][2].meta.first_n, 21);
    assert_int_equal(it.part[0][2].meta.wall_offset_ns, -5);
    assert_int_equal(it.part[0][2].offset, 2 * PART_BYTES);
    assert_is_batch(id, 1);
    assert_int_equal(lb_spool_book(it.spool)->words[0], 1);
    assert_int_equal(lb_spool_book(it.spool)->boot.last_n[0], 1);
}

static void a_piece_is_read_and_what_is_not_there_is_not(void **state)
{
    uint64_t id = 0;
    uint8_t piece[PART_BYTES];

    (void)state;
    assert_int_equal(write_batch(3, NULL, 0, &id), 0);
    assert_int_equal(lb_spool_read(it.spool, id, 2 * PART_BYTES, piece, PART_BYTES), 0);
    assert_memory_equal(piece, it.bytes + 2 * PART_BYTES, PART_BYTES);
    assert_int_equal(lb_spool_read(it.spool, id, sizeof it.bytes - 1, piece, 2), -ERANGE);
    assert_int_equal(lb_spool_read(it.spool, id + 1, 0, piece, 1), -ENOENT);
}

static void rows_go_with_others_that_come_and_ids_are_never_given_twice(void **state)
{
    uint64_t first = 0, second = 0, third = 0;

    (void)state;
    assert_int_equal(write_batch(1, NULL, 0, &first), 0);
    assert_int_equal(write_batch(2, &first, 1, &second), 0);
    list();
    assert_int_equal(it.rows, 1);
    assert_int_equal(it.row[0].id, second);
    assert_int_equal(drop_rows(&second, 1), 0);
    restart();
    assert_int_equal(write_batch(3, NULL, 0, &third), 0);
    assert_true(third > second && second > first);
    assert_is_batch(third, 3);
}

static void a_large_file_without_rows_is_removed_and_made_anew(void **state)
{
    uint64_t ids[6];

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(write_batch(i, NULL, 0, &ids[i]), 0);
    assert_int_equal(lb_spool_give_back(it.spool), 0);
    assert_int_equal(drop_rows(ids, 6), 0);
    assert_int_equal(lb_spool_give_back(it.spool), 1);
    assert_false(is_there("") || is_there("-journal"));
    assert_int_equal(write_batch(7, NULL, 0, &ids[0]), 0);
    restart();
    list();
    assert_int_equal(it.rows, 1);
    assert_is_batch(ids[0], 7);
}

static void at_random_what_is_acknowledged_is_there_after_each_start(void **state)
{
    struct {
        uint64_t id;
        unsigned number;
    } kept[ROWS];
    unsigned count = 0;

    (void)state;
    for (unsigned i = 1; i <= 60; i++) {
        uint64_t drops[4], id = 0;
        unsigned dropping = 0;

        while (count > 0 && dropping < 3 && random_below(3) == 0) {
            unsigned which = (unsigned)random_below(count);

            drops[dropping++] = kept[which].id;
            kept[which] = kept[--count];
        }
        assert_int_equal(write_batch(i, drops, dropping, &id), 0);
        kept[count].id = id;
        kept[count++].number = i;
        if (random_below(6) == 0)
            restart();
    }
    list();
    assert_int_equal(it.rows, count);
    for (unsigned i = 0; i < count; i++)
        assert_is_batch(kept[i].id, kept[i].number);
}

/* ---- bounds */

static void it_grows_to_its_bound_and_no_further_and_what_goes_makes_room(void **state)
{
    uint64_t ids[64];
    unsigned count = 0;
    struct stat st;
    int rc;

    (void)state;
    it.max_bytes = 4 << 20;
    restart();
    while ((rc = write_batch(count, NULL, 0, &ids[count])) == 0)
        count++;
    assert_int_equal(rc, -EFBIG);
    assert_non_null(strstr(lb_spool_why(it.spool), "size"));
    assert_in_range(count, 10, 16);
    assert_int_equal(stat(it.path, &st), 0);
    assert_true(st.st_size <= 4 << 20);
    assert_int_equal(write_batch(count, ids, 1, &ids[count]), -EFBIG); /* the row's room is not free before */
    assert_int_equal(drop_rows(ids, 2), 0);
    assert_int_equal(write_batch(count, NULL, 0, &ids[count]), 0);
    list();
    assert_int_equal(it.rows, count - 1);
}

/* ---- files that are not as they should be */

static void a_file_that_is_no_database_is_set_aside_once(void **state)
{
    struct lb_spool_view view;
    uint64_t id = 0;
    FILE *file;

    (void)state;
    lb_spool_close(it.spool);
    it.spool = NULL;
    file = fopen(it.path, "w");
    for (unsigned i = 0; i < 3000; i++)
        fputs("no database ", file);
    fclose(file);
    start();
    lb_spool_look(it.spool, &view);
    assert_int_equal(view.damaged, 1);
    assert_true(is_there(".damaged"));
    list();
    assert_int_equal(it.rows, 0);
    assert_int_equal(write_batch(1, NULL, 0, &id), 0);
    assert_is_batch(id, 1);
}

static void a_page_that_is_damaged_costs_the_file_and_not_the_agent(void **state)
{
    uint64_t id = 0;
    int fd, rc = 0;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(write_batch(i, NULL, 0, &id), 0);
    lb_spool_close(it.spool);
    it.spool = NULL;
    fd = open(it.path, O_RDWR);
    for (off_t page = 1; page < 6; page++)
        assert_int_equal(pwrite(fd, "garbage, all of it garbage", 26, page * 4096), 26);
    close(fd);
    rc = open_spool();
    assert_int_equal(rc, 0);
    it.rows = 0;
    if (lb_spool_list(it.spool, note, NULL) < 0)
        assert_int_equal(lb_spool_list(it.spool, note, NULL), 0);
    rc = write_batch(9, NULL, 0, &id);
    if (rc < 0) {
        list();
        assert_int_equal(write_batch(9, NULL, 0, &id), 0);
    }
    assert_is_batch(id, 9);
}

static void a_database_of_a_newer_program_is_set_aside(void **state)
{
    sqlite3 *db;

    (void)state;
    assert_int_equal(write_batch(1, NULL, 0, NULL), 0);
    lb_spool_close(it.spool);
    it.spool = NULL;
    assert_int_equal(sqlite3_open(it.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    start();
    assert_true(is_there(".damaged"));
    list();
    assert_int_equal(it.rows, 0);
}

static void a_symbolic_link_is_refused(void **state)
{
    (void)state;
    lb_spool_close(it.spool);
    it.spool = NULL;
    assert_int_equal(symlink("/etc/passwd", it.path), 0);
    assert_int_equal(open_spool(), -ELOOP);
    assert_non_null(strstr(it.why, "symbolic link"));
}

static void a_directory_that_is_not_there_is_an_error_that_names_it(void **state)
{
    (void)state;
    lb_spool_close(it.spool);
    it.spool = NULL;
    strcat(it.path, "/no/such");
    assert_int_equal(open_spool(), -ENOENT);
    assert_non_null(strstr(it.why, "directory is not there"));
}

static void a_file_that_is_taken_away_is_noticed(void **state)
{
    uint64_t id = 0;

    (void)state;
    assert_int_equal(write_batch(1, NULL, 0, &id), 0);
    unlink(it.path);
    if (write_batch(2, NULL, 0, &id) == 0) /* into what nobody can find any more: the next start tells */
        restart();
    list();
    assert_int_equal(write_batch(3, NULL, 0, &id), 0);
    restart();
    list();
    assert_is_batch(id, 3);
}

/* ---- pauses */

static void pauses_grow_from_a_minute_to_an_hour_and_each_change_is_news(void **state)
{
    struct lb_spool_retry retry = { 0 };

    (void)state;
    assert_false(lb_spool_retry_note(&retry, 0, 1000));
    assert_true(lb_spool_retry_note(&retry, -EIO, 1000));
    assert_false(lb_spool_retry_is_due(&retry, 60000));
    assert_true(lb_spool_retry_is_due(&retry, 61000));
    assert_false(lb_spool_retry_note(&retry, -EIO, 61000));
    assert_false(lb_spool_retry_is_due(&retry, 180000));
    assert_true(lb_spool_retry_note(&retry, -EROFS, 181000));
    for (unsigned i = 0; i < 20; i++)
        lb_spool_retry_note(&retry, -EROFS, 181000);
    assert_true(lb_spool_retry_is_due(&retry, 181000 + 3600000));
    assert_true(lb_spool_retry_note(&retry, 0, 200000));
    assert_true(lb_spool_retry_is_due(&retry, 200000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_written_before_there_is_something_to_write),
        TEST(a_batch_that_was_acknowledged_is_there_with_all_that_is_known_of_it),
        TEST(a_piece_is_read_and_what_is_not_there_is_not),
        TEST(rows_go_with_others_that_come_and_ids_are_never_given_twice),
        TEST(a_large_file_without_rows_is_removed_and_made_anew),
        TEST(at_random_what_is_acknowledged_is_there_after_each_start),
        TEST(it_grows_to_its_bound_and_no_further_and_what_goes_makes_room),
        TEST(a_file_that_is_no_database_is_set_aside_once),
        TEST(a_page_that_is_damaged_costs_the_file_and_not_the_agent),
        TEST(a_database_of_a_newer_program_is_set_aside),
        TEST(a_symbolic_link_is_refused),
        TEST(a_directory_that_is_not_there_is_an_error_that_names_it),
        TEST(a_file_that_is_taken_away_is_noticed),
        TEST(pauses_grow_from_a_minute_to_an_hour_and_each_change_is_news),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
