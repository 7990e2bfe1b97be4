/* SPDX-License-Identifier: MIT */
/*
 * The start record: what it says of the agent before, for each way in which that one may have ended; and the
 * state file of an older agent, which has no place for that, and is taken over with its books.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/store/start.h"
#include "common/level.h"
#include "common/log.h"
#include "tests/unit/lib_ring.h"

#define KIB    1024
#define NOW_NS 7000000000ull

static struct rig rig;
static struct lb_start start;

static int begin(void **state)
{
    (void)state;
    lb_log_set_level(LB_LEVEL_EMERGENCY);
    rig_begin(&rig, 64 * KIB);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_end(&rig);
    return 0;
}

/* What logboomd does at its start, with files that are open. */
static int look_and_tell(void)
{
    lb_start_look(&rig.files, &start);
    return lb_start_tell(&rig.files, &start, "1.2.3", LB_LEVEL_WARNING, NOW_NS);
}

/* The newest record, which is a start record, and its body. */
static const struct lb_record *told(struct lb_start *ret_body)
{
    uint64_t pos = lb_ring_tail(&rig.files.ring);
    const struct lb_record *record, *last = NULL;

    while ((record = rig_record(&rig, &pos)))
        last = record;
    assert_non_null(last);
    assert_int_equal(last->kind, LB_KIND_START);
    assert_int_equal(last->body_len, sizeof *ret_body);
    assert_int_equal(last->boot_ns, NOW_NS);
    assert_int_equal(last->service_len, 7);
    assert_memory_equal(lb_record_service(last), "logboom", 7);
    memcpy(ret_body, lb_record_body(last), sizeof *ret_body);
    assert_string_equal((const char *)ret_body->version, "1.2.3");
    return last;
}

static void put_lines(unsigned urgent, unsigned routine)
{
    for (unsigned i = 0; i < urgent + routine; i++)
        assert_true(rig_put(&rig, "shop", i < urgent ? LB_LEVEL_ERROR : LB_LEVEL_INFO, 20) > 0);
}

static void the_first_start_since_boot_knows_nothing(void **state)
{
    struct lb_start body;
    const struct lb_record *record;

    (void)state;
    assert_int_equal(look_and_tell(), 0);
    record = told(&body);
    assert_int_equal(record->severity, LB_LEVEL_NOTICE);
    assert_int_equal(record->lane, LB_LANE_ROUTINE);
    assert_int_equal(record->n, 1);
    assert_int_equal(body.stop, LB_STOP_UNKNOWN);
    assert_int_equal(body.is_new, 1);
    assert_int_equal(body.last_ring, 0);
    assert_int_equal(body.last[LB_LANE_URGENT], 0);
    assert_int_equal(body.last[LB_LANE_ROUTINE], 0);
    assert_int_equal(rig_books(&rig).own, 1);
    assert_int_equal(rig_books(&rig).queued, 0);
}

static void after_a_clean_stop_it_says_so_and_which_numbers_were_last(void **state)
{
    struct lb_start body;

    (void)state;
    assert_int_equal(look_and_tell(), 0); /* routine 1 */
    put_lines(3, 5);
    lb_start_mark_clean(&rig.files);
    rig_restart(&rig);
    assert_int_equal(look_and_tell(), 0);
    assert_int_equal(told(&body)->n, 7);
    assert_int_equal(body.stop, LB_STOP_CLEAN);
    assert_int_equal(body.is_new, 0);
    assert_true(body.last_ring == rig.files.ring.id);
    assert_int_equal(body.last[LB_LANE_URGENT], 3);
    assert_int_equal(body.last[LB_LANE_ROUTINE], 6);
}

static void after_a_kill_it_is_a_warning_and_urgent(void **state)
{
    struct lb_start body;
    const struct lb_record *record;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(look_and_tell(), 0);
        put_lines(0, 2);
        rig_restart(&rig);
    }
    assert_int_equal(look_and_tell(), 0);
    record = told(&body);
    assert_int_equal(record->severity, LB_LEVEL_WARNING);
    assert_int_equal(record->lane, LB_LANE_URGENT);
    assert_int_equal(record->n, 3);
    assert_int_equal(body.stop, LB_STOP_UNCLEAN);
    assert_int_equal(body.is_new, 0);
    assert_int_equal(body.last[LB_LANE_URGENT], 2);
    assert_int_equal(body.last[LB_LANE_ROUTINE], 7);
}

/* One that was clean is not clean for ever. */
static void a_clean_stop_counts_once(void **state)
{
    struct lb_start body;

    (void)state;
    assert_int_equal(look_and_tell(), 0);
    lb_start_mark_clean(&rig.files);
    rig_restart(&rig);
    assert_int_equal(look_and_tell(), 0);
    rig_restart(&rig);
    assert_int_equal(look_and_tell(), 0);
    told(&body);
    assert_int_equal(body.stop, LB_STOP_UNCLEAN);
}

static void another_lane_boundary_is_respected(void **state)
{
    struct lb_start body;

    (void)state;
    lb_start_look(&rig.files, &start);
    assert_int_equal(lb_start_tell(&rig.files, &start, "1.2.3", LB_LEVEL_NOTICE, NOW_NS), 0);
    assert_int_equal(told(&body)->lane, LB_LANE_URGENT);
}

/* The new ring's first record tells the old one's id and numbers. */
static void a_ring_of_another_size_is_a_new_one(void **state)
{
    uint64_t old_id = rig.files.ring.id;
    struct lb_start body;

    (void)state;
    assert_int_equal(look_and_tell(), 0);
    put_lines(1, 1);
    lb_start_mark_clean(&rig.files);
    rig_restart(&rig);
    lb_start_look(&rig.files, &start);
    assert_int_equal(lb_files_resize(&rig.files, 128 * KIB, false), 0);
    assert_int_equal(lb_start_tell(&rig.files, &start, "1.2.3", LB_LEVEL_WARNING, NOW_NS), 0);
    assert_int_equal(told(&body)->n, 1);
    assert_true(body.last_ring == old_id && rig.files.ring.id != old_id);
    assert_int_equal(body.is_new, 1);
    assert_int_equal(body.stop, LB_STOP_CLEAN);
    assert_int_equal(body.last[LB_LANE_URGENT], 1);
    assert_int_equal(body.last[LB_LANE_ROUTINE], 2);
    lb_files_drop_old_ring(&rig.files);
}

static void a_full_ring_goes_without(void **state)
{
    struct rig_books books;
    uint64_t head;

    (void)state;
    assert_int_equal(look_and_tell(), 0);
    while (rig_put(&rig, "shop", LB_LEVEL_INFO, 8))
        ;
    lb_start_mark_clean(&rig.files);
    rig_restart(&rig);
    head = lb_ring_head(&rig.files.ring);
    books = rig_books(&rig);
    assert_int_equal(look_and_tell(), -ENOSPC);
    assert_true(lb_ring_head(&rig.files.ring) == head);
    assert_int_equal(rig_books(&rig).own, books.own);
    rig_restart(&rig); /* and it was a start all the same: what ends now without a mark is unclean */
    lb_start_look(&rig.files, &start);
    assert_int_equal(start.stop, LB_STOP_UNCLEAN);
}

static void what_is_no_way_to_end_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(look_and_tell(), 0);
    rig.files.state.file->life[LB_LIFE_STOP] = 77;
    rig_restart(&rig);
    lb_start_look(&rig.files, &start);
    assert_int_equal(start.stop, LB_STOP_UNKNOWN);
    assert_true(start.last_ring == rig.files.ring.id); /* the ring is there, and says what it says */
}

static void a_version_that_is_too_long_is_cut(void **state)
{
    (void)state;
    lb_start_look(&rig.files, &start);
    assert_int_equal(lb_start_tell(&rig.files, &start, "1.2.3-a-very-long-version-of-a-distribution+deb12u1",
                                   LB_LEVEL_WARNING, NOW_NS),
                     0);
    assert_int_equal(strnlen((const char *)start.version, sizeof start.version), sizeof start.version - 1);
}

/* ---- the state of an older agent ---- */

/* Make the state file what an agent of format 1 would have left, or one that was killed on the way from it.
 */
static void make_old(uint64_t bytes, bool is_short)
{
    uint64_t format = 1;
    int fd;

    lb_files_close(&rig.files);
    rig.files.dir_fd = open(rig.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd = openat(rig.files.dir_fd, "state", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    if (is_short) {
        /* What stands behind is cut off, and comes back as zeros where the file's end is rounded up. */
        assert_int_equal(ftruncate(fd, (off_t)LB_STATE_BYTES_1), 0);
        assert_int_equal(ftruncate(fd, (off_t)lb_mapfile_round(LB_STATE_BYTES_1)), 0);
    }
    assert_int_equal(pwrite(fd, &format, 8, offsetof(struct lb_state_file, format)), 8);
    assert_int_equal(pwrite(fd, &bytes, 8, offsetof(struct lb_state_file, bytes)), 8);
    close(fd);
    memset(&rig.files, 0, sizeof rig.files);
    rig.files.lock_fd = -1;
    rig.files.dir_fd = open(rig.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(lb_files_open(&rig.files, 64 * KIB, false), 0);
    lb_files_recover(&rig.files);
}

static void assert_taken_over(const struct rig_books *books)
{
    struct rig_books now = rig_books(&rig);

    assert_false(rig.files.state.is_new);
    assert_false(rig.files.state.was_damaged);
    assert_int_equal(rig.files.state.file->format, LB_STATE_FORMAT);
    assert_int_equal(rig.files.state.file->bytes, sizeof(struct lb_state_file));
    assert_memory_equal(&now, books, sizeof now);
    assert_int_equal(lb_state_find_service(&rig.files.state, "shop", 4, 0),
                     lb_state_service(&rig.files.state, "shop", 4));
    assert_int_equal(faccessat(rig.files.dir_fd, "state.damaged", F_OK, 0), -1);
}

static void the_state_of_format_1_is_taken_over_with_its_books(void **state)
{
    struct rig_books books;
    struct lb_start body;

    (void)state;
    put_lines(2, 3);
    books = rig_books(&rig);
    make_old(LB_STATE_BYTES_1, true);
    assert_taken_over(&books);
    assert_int_equal(look_and_tell(), 0);
    told(&body);
    assert_int_equal(body.stop, LB_STOP_UNKNOWN); /* that agent did not write how it ended */
    assert_int_equal(body.is_new, 0);
    assert_int_equal(body.last[LB_LANE_URGENT], 2);
    assert_int_equal(body.last[LB_LANE_ROUTINE], 3);
    rig_restart(&rig); /* and from here on it is like any other */
    lb_start_look(&rig.files, &start);
    assert_int_equal(start.stop, LB_STOP_UNCLEAN);
    assert_int_equal(rig_books(&rig).queued, 5);
}

/* Grown but not renamed, and renamed by half: it grows again, and nothing is lost of what it had. */
static void killed_on_the_way_it_is_taken_over_again(void **state)
{
    struct rig_books books;

    (void)state;
    put_lines(2, 3);
    books = rig_books(&rig);
    make_old(LB_STATE_BYTES_1, false);
    assert_taken_over(&books);
    make_old(sizeof(struct lb_state_file), false);
    assert_taken_over(&books);
}

static void a_format_1_of_another_length_is_set_aside(void **state)
{
    (void)state;
    put_lines(2, 3);
    make_old(LB_STATE_BYTES_1 - 8, true);
    assert_true(rig.files.state.is_new);
    assert_true(rig.files.state.was_damaged);
    assert_int_equal(faccessat(rig.files.dir_fd, "state.damaged", F_OK, 0), 0);
    lb_start_look(&rig.files, &start);
    assert_int_equal(start.stop, LB_STOP_UNKNOWN);
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CLAIM(the_first_start_since_boot_knows_nothing),
        CLAIM(after_a_clean_stop_it_says_so_and_which_numbers_were_last),
        CLAIM(after_a_kill_it_is_a_warning_and_urgent),
        CLAIM(a_clean_stop_counts_once),
        CLAIM(another_lane_boundary_is_respected),
        CLAIM(a_ring_of_another_size_is_a_new_one),
        CLAIM(a_full_ring_goes_without),
        CLAIM(what_is_no_way_to_end_is_unknown),
        CLAIM(a_version_that_is_too_long_is_cut),
        CLAIM(the_state_of_format_1_is_taken_over_with_its_books),
        CLAIM(killed_on_the_way_it_is_taken_over_again),
        CLAIM(a_format_1_of_another_length_is_set_aside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
