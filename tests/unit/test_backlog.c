/* SPDX-License-Identifier: MIT */
/*
 * The backlog: segments that outlive the process.
 *
 * The story: a sink is away for hours. Segments come, the oldest go again as room is needed or the sink is
 * back, and the agent is killed now and then. What was published is there, whole, once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/store/backlog.h"
#include "agent/store/ring.h"
#include "agent/store/state.h"
#include "common/level.h"
#include "tests/unit/lib_store.h"

enum { BYTES = 256 * 1024, ROOM = 2 << 20 };

static struct {
    char path[64];
    int dir_fd;
    struct lb_state state;
    struct lb_backlog backlog;
    struct lb_segment_packer *packer;
    _Alignas(8) uint8_t text[ROOM], packed[ROOM];
    uint64_t lost_lines, lost_first, lost_last;
    unsigned losses;
} it;

static const struct lb_backlog_origin plain;

static void on_lost(void *ctx, unsigned lane, uint64_t first_n, uint64_t last_n, uint64_t lines,
                    uint64_t bytes, uint64_t first_ns, uint64_t last_ns)
{
    (void)ctx;
    (void)lane;
    (void)bytes;
    (void)first_ns;
    (void)last_ns;
    it.losses++;
    it.lost_lines += lines;
    it.lost_first = first_n;
    it.lost_last = last_n;
}

static void start(uint64_t bytes)
{
    assert_int_equal(lb_state_open(it.dir_fd, false, NULL, NULL, &it.state), 0);
    assert_int_equal(lb_backlog_open(it.dir_fd, bytes, false, &it.state.slow, &it.backlog), 0);
    lb_commit_recover(&it.state.slow);
    assert_int_equal(lb_backlog_recover(&it.backlog, on_lost, NULL), 0);
}

/* As a kill does: nothing is published, nothing is tidied up. */
static void stop(void)
{
    lb_backlog_close(&it.backlog);
    lb_state_close(&it.state);
}

static void restart(uint64_t bytes)
{
    stop();
    start(bytes);
}

static int begin(void **state)
{
    (void)state;
    memset(&it, 0, sizeof it);
    strcpy(it.path, "/dev/shm/lb-backlog.XXXXXX");
    if (!mkdtemp(it.path))
        return -1;
    it.dir_fd = open(it.path, O_RDONLY | O_DIRECTORY);
    it.packer = lb_segment_packer_new(1);
    random_begin();
    start(BYTES);
    return 0;
}

static int end(void **state)
{
    static const char *const files[] = { "state", "backlog", "backlog.damaged" };

    (void)state;
    stop();
    lb_segment_packer_free(it.packer);
    for (unsigned i = 0; i < 3; i++)
        unlinkat(it.dir_fd, files[i], 0);
    close(it.dir_fd);
    return rmdir(it.path);
}

/* Lines that cannot be packed, so that a segment is about as long as wanted. */
static struct lb_segment_view segment(unsigned lane, uint64_t first_n, unsigned records, size_t bytes,
                                      uint64_t boot_ns)
{
    const struct lb_record *record[64];
    struct lb_segment_view view;
    size_t len = 0;
    long packed;

    for (unsigned i = 0; i < records; i++) {
        struct lb_record *at = (struct lb_record *)(void *)(it.text + len);
        size_t body = bytes / records;

        *at = (struct lb_record) { .lane = (uint8_t)lane,
                                   .severity = LB_LEVEL_INFO,
                                   .boot_ns = boot_ns + i * 1000000,
                                   .n = first_n + i,
                                   .service_len = 3,
                                   .lines = 1,
                                   .body_len = (uint32_t)body,
                                   .len = (uint32_t)lb_record_size(3, 0, body) };
        memset((char *)at + at->len - 8, 0, 8);
        memcpy(at + 1, "app", 3);
        for (size_t byte = 0; byte < body; byte++)
            ((char *)(at + 1))[3 + byte] = (char)('0' + (char)random_below(64));
        lb_record_seal(at);
        record[i] = at;
        len += at->len;
    }
    packed = lb_segment_pack(it.packer, 5, record, records, it.packed, sizeof it.packed);
    assert_true(packed > 0);
    assert_int_equal(lb_segment_look(it.packed, (size_t)packed, &view), 0);
    return view;
}

static uint32_t put(unsigned lane, uint64_t first_n, unsigned records, size_t bytes, uint64_t boot_ns)
{
    struct lb_segment_view view = segment(lane, first_n, records, bytes, boot_ns);
    int64_t row = lb_backlog_put(&it.backlog, &view, &plain);

    assert_true(row >= 0);
    return (uint32_t)row;
}

static void publish(void)
{
    lb_commit_publish(&it.state.slow);
}

static void assert_whole(uint32_t row, uint64_t first_n)
{
    _Alignas(8) static uint8_t copy[ROOM];
    uint64_t len = lb_backlog_word(&it.backlog, row, LB_ROW_LEN);
    struct lb_segment_view view;

    lb_backlog_copy(&it.backlog, row, copy);
    assert_int_equal(lb_segment_look(copy, len, &view), 0);
    assert_int_equal(view.head->first_n, first_n);
}

/* ---- what is there */

static void a_segment_that_was_published_is_there_after_a_kill(void **state)
{
    uint32_t row = put(LB_LANE_ROUTINE, 10, 5, 5000, 1000000000);

    (void)state;
    publish();
    restart(BYTES);
    assert_true(lb_backlog_is_valid(&it.backlog, row));
    assert_int_equal(lb_backlog_lane(&it.backlog, row), LB_LANE_ROUTINE);
    assert_int_equal(lb_backlog_word(&it.backlog, row, LB_ROW_LAST_N), 14);
    assert_int_equal(it.backlog.sum.segments, 1);
    assert_int_equal(it.backlog.sum.lines, 5);
    assert_int_equal(it.backlog.sum.bytes, 5000);
    assert_int_equal(it.backlog.sum.first_ns, 1000000000);
    assert_whole(row, 10);
    assert_int_equal(it.losses, 0);
}

static void one_that_was_not_published_is_not(void **state)
{
    (void)state;
    put(LB_LANE_ROUTINE, 10, 5, 5000, 1000000000);
    restart(BYTES);
    assert_int_equal(it.backlog.sum.segments, 0);
    assert_int_equal(lb_backlog_room(&it.backlog), BYTES);
}

static void the_oldest_is_found_by_lane_and_of_all(void **state)
{
    uint32_t second, first, urgent;

    (void)state;
    assert_int_equal(lb_backlog_oldest(&it.backlog, LB_LANE_COUNT, NULL, NULL), LB_BACKLOG_NONE);
    second = put(LB_LANE_ROUTINE, 10, 5, 500, 9000000000);
    first = put(LB_LANE_ROUTINE, 1, 5, 500, 8000000000);
    urgent = put(LB_LANE_URGENT, 1, 5, 500, 8500000000);
    assert_int_equal(lb_backlog_oldest(&it.backlog, LB_LANE_COUNT, NULL, NULL), first);
    assert_int_equal(lb_backlog_oldest(&it.backlog, LB_LANE_URGENT, NULL, NULL), urgent);
    lb_backlog_pass(&it.backlog, first, 6, 5, 500);
    assert_int_equal(lb_backlog_oldest(&it.backlog, LB_LANE_ROUTINE, NULL, NULL), second);
    assert_int_equal(it.backlog.sum.first_ns, 8500000000);
}

static void segments_of_earlier_boots_are_older_than_any_of_this_one(void **state)
{
    const struct lb_backlog_origin late = { .is_spooled = true, .wall_ns = 1795000000000000000, .trust = 1 },
                                   early = { .is_spooled = true, .wall_ns = 1790000000000000000, .trust = 3 };
    struct lb_segment_view view;
    uint32_t own = put(LB_LANE_ROUTINE, 10, 5, 500, 1000);
    int64_t of_late, of_early;

    (void)state;
    view = segment(LB_LANE_ROUTINE, 1, 5, 500, 9000000000);
    of_late = lb_backlog_put(&it.backlog, &view, &late);
    of_early = lb_backlog_put(&it.backlog, &view, &early);
    publish();
    restart(BYTES);
    assert_int_equal(lb_backlog_oldest(&it.backlog, LB_LANE_COUNT, NULL, NULL), of_early);
    lb_backlog_pass(&it.backlog, (uint32_t)of_early, UINT64_MAX, 0, 0);
    assert_int_equal(lb_backlog_oldest(&it.backlog, LB_LANE_COUNT, NULL, NULL), of_late);
    assert_int_equal(lb_backlog_word(&it.backlog, (uint32_t)of_late, LB_ROW_TRUST), 1);
    lb_backlog_pass(&it.backlog, (uint32_t)of_late, UINT64_MAX, 0, 0);
    assert_int_equal(lb_backlog_oldest(&it.backlog, LB_LANE_COUNT, NULL, NULL), own);
}

static void a_segment_is_worked_off_in_parts_and_what_is_left_is_known_after_a_kill(void **state)
{
    uint32_t row = put(LB_LANE_ROUTINE, 10, 5, 5000, 1000000000);

    (void)state;
    lb_backlog_pass(&it.backlog, row, 12, 2, 2000);
    publish();
    restart(BYTES);
    assert_int_equal(lb_backlog_word(&it.backlog, row, LB_ROW_DONE_N), 12);
    assert_int_equal(it.backlog.sum.lines, 3);
    assert_int_equal(it.backlog.sum.bytes, 3000);
    lb_backlog_pass(&it.backlog, row, 15, 3, 3000);
    publish();
    restart(BYTES);
    assert_int_equal(it.backlog.sum.segments, 0);
    assert_int_equal(lb_backlog_room(&it.backlog), BYTES);
}

/* ---- room */

static void what_is_freed_is_not_used_again_before_that_is_published(void **state)
{
    uint32_t row = put(LB_LANE_ROUTINE, 1, 1, 200000, 1000000000);
    struct lb_segment_view view;

    (void)state;
    publish();
    lb_backlog_pass(&it.backlog, row, 2, 1, 200000);
    view = segment(LB_LANE_ROUTINE, 2, 1, 200000, 1000000000);
    assert_int_equal(lb_backlog_put(&it.backlog, &view, &plain), -ENOSPC);
    restart(BYTES); /* killed: it is there as it was */
    assert_whole(row, 1);
    lb_backlog_pass(&it.backlog, row, 2, 1, 200000);
    publish();
    view = segment(LB_LANE_ROUTINE, 2, 1, 200000, 1000000000);
    assert_true(lb_backlog_put(&it.backlog, &view, &plain) >= 0);
}

static void a_segment_that_fits_in_no_stretch_lies_in_several(void **state)
{
    uint32_t row[8], large;

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        row[i] =
            put(LB_LANE_ROUTINE, 1 + i, 1, 38000, 1000000000 * (i + 1)); /* 24-bit alphabet: they shrink */
    publish();
    for (unsigned i = 0; i < 8; i += 2)
        lb_backlog_pass(&it.backlog, row[i], 2 + i, 1, 38000);
    publish();
    large = put(LB_LANE_ROUTINE, 100, 2, 90000, 1000000000);
    publish();
    assert_true(lb_backlog_word(&it.backlog, large, LB_ROW_STATE) >> LB_ROW_EXTENTS_SHIFT > 1);
    restart(BYTES);
    assert_whole(large, 100);
    for (unsigned i = 1; i < 8; i += 2)
        assert_whole(row[i], 1 + i);
    assert_int_equal(it.losses, 0);
}

static void rows_run_out_before_blocks_where_segments_are_tiny(void **state)
{
    unsigned count = 0;

    (void)state;
    for (;; count++) {
        struct lb_segment_view view = segment(LB_LANE_URGENT, 1 + count, 1, 20, 1000000000);

        if (lb_backlog_put(&it.backlog, &view, &plain) < 0)
            break;
        publish();
    }
    assert_int_equal(count, it.backlog.rows);
    assert_true(lb_backlog_room(&it.backlog) > 0);
}

static void at_random_everything_published_is_whole_after_each_kill(void **state)
{
    enum { KEPT = 64 };
    struct {
        uint32_t row;
        uint64_t n;
    } kept[KEPT];
    unsigned count = 0;
    uint64_t n = 1;

    (void)state;
    for (unsigned round = 0; round < 1500; round++) {
        struct lb_segment_view view = segment(LB_LANE_ROUTINE, n, 1, 1 + random_below(60000), 1000000000 * n);
        int64_t row = lb_backlog_put(&it.backlog, &view, &plain);

        if (row >= 0 && count < KEPT) {
            kept[count].row = (uint32_t)row;
            kept[count++].n = n;
        }
        if (row < 0 || count == KEPT) {
            unsigned which = (unsigned)random_below(count);

            lb_backlog_pass(&it.backlog, kept[which].row, kept[which].n + 1, 1, 0);
            kept[which] = kept[--count];
        }
        publish();
        n++;
        if (random_below(20) == 0)
            restart(BYTES);
        assert_int_equal(it.backlog.sum.segments, count);
    }
    for (unsigned i = 0; i < count; i++)
        assert_whole(kept[i].row, kept[i].n);
    assert_int_equal(it.losses, 0);
    assert_int_equal(lb_backlog_room(&it.backlog) + it.backlog.sum.packed_bytes, BYTES);
}

/* ---- damage, and another size */

static void a_damaged_segment_is_lost_and_told_and_the_others_stay(void **state)
{
    uint32_t bad = put(LB_LANE_ROUTINE, 10, 5, 5000, 1000000000);
    uint32_t good = put(LB_LANE_ROUTINE, 15, 5, 5000, 2000000000);

    (void)state;
    lb_backlog_pass(&it.backlog, bad, 11, 1, 1000);
    publish();
    it.backlog.map.data[(lb_backlog_word(&it.backlog, bad, LB_ROW_EXTENT) >> 32) * LB_BACKLOG_BLOCK + 700] ^=
        4;
    restart(BYTES);
    assert_int_equal(it.losses, 1);
    assert_int_equal(it.lost_lines, 4);
    assert_int_equal(it.lost_first, 11);
    assert_int_equal(it.lost_last, 14);
    assert_false(lb_backlog_is_valid(&it.backlog, bad));
    assert_whole(good, 15);
    restart(BYTES);
    assert_int_equal(it.losses, 1);
}

static void rows_that_make_no_sense_harm_nobody(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        for (unsigned i = 0; i < 4; i++)
            put(LB_LANE_ROUTINE, 1 + 10 * i, 5, 5000, 1000000000);
        publish();
        for (unsigned i = 0; i < 3; i++)
            it.backlog.row[random_below(4ull * LB_ROW_WORDS)] ^= 1ull << random_below(64);
        restart(BYTES);
        for (uint32_t row;
             (row = lb_backlog_oldest(&it.backlog, LB_LANE_COUNT, NULL, NULL)) != LB_BACKLOG_NONE;)
            lb_backlog_pass(&it.backlog, row, UINT64_MAX, 0, 0);
        publish();
        assert_int_equal(lb_backlog_room(&it.backlog), BYTES);
    }
}

static void start_with_size(uint64_t bytes)
{
    restart(bytes);
    assert_int_equal(lb_backlog_resize(&it.backlog, it.dir_fd, bytes, false), 0);
}

static void another_size_takes_over_what_is_held(void **state)
{
    uint32_t row;

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        row = put(i % 2 ? LB_LANE_URGENT : LB_LANE_ROUTINE, 10 + 10 * i, 5, 20000, 1000000000);
    lb_backlog_pass(&it.backlog, row, 62, 2, 8000); /* the last: half of it is final */
    publish();
    start_with_size(2ull * BYTES);
    assert_int_equal(lb_backlog_room(&it.backlog) + it.backlog.sum.packed_bytes, 2 * BYTES);
    start_with_size(BYTES);
    assert_int_equal(lb_backlog_room(&it.backlog) + it.backlog.sum.packed_bytes, BYTES);
    assert_int_equal(it.backlog.sum.segments, 6);
    assert_int_equal(it.backlog.sum.lines, 28);
    for (unsigned i = 0; i < 6; i++) {
        assert_whole(i, 10 + 10 * i);
        assert_int_equal(lb_backlog_word(&it.backlog, i, LB_ROW_DONE_N), i == 5 ? 62 : 10 + 10 * i);
    }
    restart(BYTES); /* and it is so for the next start */
    assert_int_equal(it.backlog.sum.segments, 6);
    assert_int_equal(it.losses, 0);
    put(LB_LANE_ROUTINE, 100, 5, 20000, 1000000000);
    assert_whole(5, 60);
}

static void a_size_that_does_not_hold_it_is_taken_when_it_does(void **state)
{
    uint32_t row = put(LB_LANE_ROUTINE, 10, 5, 110000, 1000000000);

    (void)state;
    publish();
    start_with_size(65536);
    assert_true(it.backlog.keeps_size);
    assert_int_equal(lb_backlog_room(&it.backlog) + it.backlog.sum.packed_bytes, BYTES);
    assert_whole(row, 10);
    start_with_size(0);
    assert_true(lb_backlog_is_there(&it.backlog));
    lb_backlog_pass(&it.backlog, row, 15, 5, 110000);
    publish();
    start_with_size(65536);
    assert_int_equal(lb_backlog_room(&it.backlog), 65536);
    start_with_size(0);
    assert_false(lb_backlog_is_there(&it.backlog));
    start_with_size(BYTES);
    assert_true(lb_backlog_is_there(&it.backlog));
}

static void a_row_that_waits_for_the_spool_outlives_another_size(void **state)
{
    struct lb_segment_view view = segment(LB_LANE_ROUTINE, 10, 5, 20000, 1000000000);
    int64_t row = lb_backlog_put(&it.backlog, &view, &(struct lb_backlog_origin) { .is_spooled = true });

    (void)state;
    assert_true(row >= 0);
    publish();
    lb_backlog_pass(&it.backlog, (uint32_t)row, 15, 5, 20000);
    publish();
    start_with_size(2ull * BYTES);
    assert_true(lb_backlog_is_final(&it.backlog, 0));
    assert_int_equal(lb_backlog_word(&it.backlog, 0, LB_ROW_LAST_N), 14);
    assert_int_equal(lb_backlog_room(&it.backlog), 2 * BYTES);
    lb_backlog_bury(&it.backlog, 0);
    publish();
    start_with_size(BYTES);
    assert_int_equal(lb_backlog_room(&it.backlog), BYTES);
}

static void a_file_that_is_no_backlog_is_set_aside(void **state)
{
    (void)state;
    it.backlog.header->magic[0] = 'x';
    restart(BYTES);
    assert_true(it.backlog.was_damaged);
    assert_int_equal(faccessat(it.dir_fd, "backlog.damaged", F_OK, 0), 0);
    put(LB_LANE_ROUTINE, 10, 5, 5000, 1000000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_segment_that_was_published_is_there_after_a_kill),
        TEST(one_that_was_not_published_is_not),
        TEST(the_oldest_is_found_by_lane_and_of_all),
        TEST(segments_of_earlier_boots_are_older_than_any_of_this_one),
        TEST(a_segment_is_worked_off_in_parts_and_what_is_left_is_known_after_a_kill),
        TEST(what_is_freed_is_not_used_again_before_that_is_published),
        TEST(a_segment_that_fits_in_no_stretch_lies_in_several),
        TEST(rows_run_out_before_blocks_where_segments_are_tiny),
        TEST(at_random_everything_published_is_whole_after_each_kill),
        TEST(a_damaged_segment_is_lost_and_told_and_the_others_stay),
        TEST(rows_that_make_no_sense_harm_nobody),
        TEST(another_size_takes_over_what_is_held),
        TEST(a_size_that_does_not_hold_it_is_taken_when_it_does),
        TEST(a_row_that_waits_for_the_spool_outlives_another_size),
        TEST(a_file_that_is_no_backlog_is_set_aside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
