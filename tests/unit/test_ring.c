/* SPDX-License-Identifier: MIT */
/*
 * The queue ring in use: one writer, one reader, first in first out, numbers
 * dense per lane, room given back in order, history readable until the writer
 * comes round. How it mends itself at start is in test_ring_recover.c.
 * A long life of it is in test_ring_life.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/unit/lib_store.h"

enum { RING_BYTES = 65536, BODY_MAX = RING_BYTES / 3 / 8 * 8 };

static struct store store;

static int begin(void **state)
{
    (void)state;
    store_begin(&store, RING_BYTES, 0, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    store_end(&store);
    return 0;
}

static int put(unsigned lane, const char *body)
{
    return store_put(&store, lane, 1000, body, strlen(body));
}

static void publish_slow(void)
{
    lb_commit_publish(&store.state.slow);
}

/* The record that is the nth from the tail, counted from 0; its position in *ret_pos. */
static const struct lb_record *nth(unsigned n, uint64_t *ret_pos)
{
    uint64_t pos = lb_ring_tail(&store.ring), head = lb_ring_head(&store.ring);
    const struct lb_record *record;

    while ((record = lb_ring_at(&store.ring, pos, head)) && n-- > 0)
        pos += record->len;
    *ret_pos = pos;
    return record;
}

static unsigned count_state(enum lb_record_state state)
{
    uint64_t head = lb_ring_head(&store.ring);
    const struct lb_record *record;
    unsigned count = 0;

    for (uint64_t pos = lb_ring_tail(&store.ring); (record = lb_ring_at(&store.ring, pos, head));
         pos += record->len)
        count += record->state == state && record->kind != LB_KIND_HOLE;
    return count;
}

static int finish(unsigned first, unsigned end_of, enum lb_record_state state)
{
    uint64_t from, to;

    nth(first, &from);
    nth(end_of, &to);
    return lb_ring_finish(&store.ring, from, to, state);
}

static void a_record_reads_back_as_it_was_put(void **state)
{
    struct iovec body[3] = { { (void *)(uintptr_t) "one ", 4 },
                             { NULL, 0 },
                             { (void *)(uintptr_t) "line", 4 } };
    struct lb_record head = { .lane = LB_LANE_URGENT,
                              .severity = 3,
                              .kind = LB_KIND_LINE,
                              .flags = LB_RECORD_CUT,
                              .boot_ns = 123,
                              .stream_id = 7,
                              .stream_off = 99,
                              .raw_len = 9,
                              .pid = 42,
                              .uid = 43,
                              .service_ix = 3,
                              .lines = 2 };
    const struct lb_record *record;
    uint64_t pos;

    (void)state;
    assert_int_equal(lb_ring_put(&store.ring, &head, "web", 3, "k:v,l:w", 7, body, 3), 0);
    store_publish(&store);
    record = nth(0, &pos);
    assert_non_null(record);
    assert_int_equal(record->state, LB_STATE_PENDING);
    assert_int_equal(record->n, 1);
    assert_int_equal(record->len, lb_record_size(3, 7, 8));
    assert_memory_equal(lb_record_service(record), "web", 3);
    assert_memory_equal(lb_record_tags(record), "k:v,l:w", 7);
    assert_int_equal(record->body_len, 8);
    assert_memory_equal(lb_record_body(record), "one line", 8);
    assert_int_equal(record->flags, LB_RECORD_CUT);
    assert_int_equal(record->stream_id, 7);
    assert_int_equal(record->stream_off, 99);
    assert_int_equal(record->boot_ns, 123);
    assert_int_equal(record->pid, 42);
    assert_int_equal(record->uid, 43);
    assert_int_equal(record->service_ix, 3);
    assert_int_equal(record->lines, 2);
    assert_true(lb_record_is_whole(record, record->len, lb_ring_record_max(&store.ring)));
    assert_false(lb_record_is_whole(record, record->len - 1, lb_ring_record_max(&store.ring)));
}

static void a_record_of_nothing_is_a_record(void **state)
{
    uint64_t pos;

    (void)state;
    assert_int_equal(put(LB_LANE_ROUTINE, ""), 0);
    store_publish(&store);
    assert_int_equal(nth(0, &pos)->body_len, 0);
}

static void nobody_sees_a_record_before_its_publish(void **state)
{
    uint64_t pos;

    (void)state;
    assert_int_equal(put(LB_LANE_ROUTINE, "early"), 0);
    assert_int_equal(lb_ring_head(&store.ring), 0);
    assert_null(nth(0, &pos));
    store_restart(
        &store); /* killed: the line is still in staging, and will come again under the same number */
    assert_int_equal(put(LB_LANE_ROUTINE, "again"), 0);
    store_publish(&store);
    assert_int_equal(nth(0, &pos)->n, 1);
    assert_memory_equal(lb_record_body(nth(0, &pos)), "again", 5);
    assert_null(nth(1, &pos));
}

static void numbers_are_dense_in_each_lane(void **state)
{
    static const unsigned lanes[] = { 1, 1, 0, 1, 0, 0, 1 };
    static const unsigned numbers[] = { 1, 2, 1, 3, 2, 3, 4 };
    static char large[RING_BYTES];
    uint64_t pos;

    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(put(lanes[i], "x"), 0);
        assert_int_equal(store_put(&store, lanes[i], 1, large, sizeof large),
                         -EMSGSIZE); /* takes no number */
        if (i % 2)
            store_publish(&store);
        if (i == 3)
            store_restart(&store);
    }
    store_publish(&store);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(nth(i, &pos)->lane, lanes[i]);
        assert_int_equal(nth(i, &pos)->n, numbers[i]);
    }
}

static void a_record_is_at_most_a_third_of_the_ring(void **state)
{
    static char body[BODY_MAX];
    size_t fits = lb_ring_record_max(&store.ring) - lb_record_size(4, 3, 0);

    (void)state;
    assert_int_equal(lb_ring_record_max(&store.ring), BODY_MAX);
    while (lb_record_size(4, 3, fits + 1) <= BODY_MAX)
        fits++;
    assert_int_equal(store_put(&store, 1, 1, body, fits), 0);
    assert_int_equal(store_put(&store, 1, 1, body, fits + 1), -EMSGSIZE);
    store_publish(&store);
    assert_int_equal(count_state(LB_STATE_PENDING), 1);
}

static void a_full_ring_refuses_and_changes_nothing(void **state)
{
    static char body[4096];
    unsigned puts = 0;
    uint64_t head, room;

    (void)state;
    while (store_put(&store, 1, 1, body, sizeof body) == 0)
        puts++;
    room = lb_ring_room(&store.ring);
    assert_true(room < lb_record_size(4, 3, sizeof body));
    store_publish(&store);
    head = lb_ring_head(&store.ring);
    assert_int_equal(store_put(&store, 1, 1, body, sizeof body), -ENOSPC);
    assert_int_equal(lb_ring_room(&store.ring), room);
    /* What is finished gives room only with the slow side's publish, and only in order. */
    assert_int_equal(finish(1, 3, LB_STATE_DELIVERED), 0);
    publish_slow();
    assert_int_equal(store_put(&store, 1, 1, body, sizeof body), -ENOSPC);
    assert_int_equal(finish(0, 1, LB_STATE_DELIVERED), 0);
    assert_int_equal(store_put(&store, 1, 1, body, sizeof body), -ENOSPC);
    publish_slow();
    for (int i = 0; i < 3; i++)
        assert_int_equal(store_put(&store, 1, 1, body, sizeof body), 0);
    assert_int_equal(store_put(&store, 1, 1, body, sizeof body), -ENOSPC);
    assert_true(lb_ring_head(&store.ring) == head);
    store_publish(&store);
    assert_int_equal(count_state(LB_STATE_PENDING), puts);
}

static void a_ring_may_be_filled_to_its_last_byte(void **state)
{
    static char body[RING_BYTES / 8];
    size_t fits = sizeof body - sizeof(struct lb_record) - 7; /* service and tags take 7 */

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(store_put(&store, 1, 1, body, fits), 0);
    assert_int_equal(lb_ring_room(&store.ring), 0);
    assert_int_equal(put(0, ""), -ENOSPC);
    store_publish(&store);
    assert_int_equal(count_state(LB_STATE_PENDING), 8);
    store_restart(&store);
    assert_int_equal(store.repair.holes, 0);
    assert_int_equal(count_state(LB_STATE_PENDING), 8);
    assert_int_equal(lb_ring_room(&store.ring), 0);
}

static void records_may_lie_across_the_edge(void **state)
{
    char body[1000];
    uint64_t pos, crossed = 0;

    (void)state;
    for (unsigned i = 1; i <= 1000; i++) {
        memset(body, (int)('a' + i % 26), sizeof body);
        assert_int_equal(store_put(&store, 1, 1, body, 500 + i % 500), 0);
        store_publish(&store);
        assert_int_equal(nth(0, &pos)->n, i);
        assert_int_equal(nth(0, &pos)->body_len, 500 + i % 500);
        assert_memory_equal(lb_record_body(nth(0, &pos)), body, 500 + i % 500);
        if (pos % RING_BYTES + nth(0, &pos)->len > RING_BYTES)
            crossed++;
        if (i % 7 == 0)
            store_restart(&store);
        assert_int_equal(store.repair.holes, 0);
        assert_int_equal(finish(0, 1, LB_STATE_DELIVERED), 0);
        publish_slow();
    }
    assert_true(crossed > 5);
}

static void the_tail_moves_only_over_what_is_final(void **state)
{
    uint64_t first;

    (void)state;
    for (int i = 0; i < 6; i++)
        assert_int_equal(put(1, "line"), 0);
    store_publish(&store);
    nth(0, &first);
    lb_ring_set_state(&store.ring, first, LB_STATE_IN_FLIGHT);
    assert_int_equal(finish(2, 4, LB_STATE_DELIVERED), 0);
    publish_slow();
    assert_int_equal(lb_ring_tail(&store.ring), 0);
    assert_int_equal(finish(0, 1, LB_STATE_REJECTED), 0);
    publish_slow();
    assert_int_equal(count_state(LB_STATE_DELIVERED), 2); /* behind the second, which is pending */
    assert_int_equal(finish(0, 1, LB_STATE_SHED), 0);
    publish_slow();
    assert_int_equal(count_state(LB_STATE_DELIVERED), 0);
    assert_int_equal(count_state(LB_STATE_PENDING), 2);
}

static void ranges_of_one_turn_count_together_in_any_order(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        assert_int_equal(put(1, "line"), 0);
    store_publish(&store);
    assert_int_equal(finish(4, 6, LB_STATE_DELIVERED), 0);
    assert_int_equal(finish(2, 4, LB_STATE_SHED), 0);
    assert_int_equal(finish(0, 2, LB_STATE_DELIVERED), 0);
    assert_int_equal(lb_ring_tail(&store.ring), 0);
    publish_slow();
    assert_int_equal(lb_ring_tail(&store.ring), lb_ring_head(&store.ring));
}

static void what_is_final_keeps_its_state(void **state)
{
    uint64_t pos;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(put(1, "line"), 0);
    store_publish(&store);
    assert_int_equal(finish(1, 2, LB_STATE_DELIVERED), 0);
    publish_slow();
    assert_int_equal(finish(1, 3, LB_STATE_SHED),
                     0); /* an answer that came late, or a shedding that was wide */
    publish_slow();
    assert_int_equal(nth(1, &pos)->state, LB_STATE_DELIVERED);
    assert_int_equal(nth(2, &pos)->state, LB_STATE_SHED);
}

static void more_ranges_than_a_commit_holds_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < LB_COMMIT_RANGES + 1; i++)
        assert_int_equal(put(1, "line"), 0);
    store_publish(&store);
    for (unsigned i = LB_COMMIT_RANGES; i > 0; i--)
        assert_int_equal(finish(i, i + 1, LB_STATE_DELIVERED), 0);
    assert_int_equal(finish(0, 1, LB_STATE_DELIVERED), -ENOBUFS);
    publish_slow();
    assert_int_equal(finish(0, 1, LB_STATE_DELIVERED), 0);
    publish_slow();
    assert_int_equal(lb_ring_tail(&store.ring), lb_ring_head(&store.ring));
}

static void in_flight_means_nothing_after_a_kill(void **state)
{
    uint64_t pos;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(put(1, "line"), 0);
    store_publish(&store);
    nth(1, &pos);
    lb_ring_set_state(&store.ring, pos, LB_STATE_IN_FLIGHT);
    store_restart(&store);
    assert_int_equal(count_state(LB_STATE_PENDING), 3);
    assert_int_equal(store.repair.holes, 0);
}

static void no_record_is_where_none_can_be(void **state)
{
    uint64_t head, pos;

    (void)state;
    assert_int_equal(put(1, "line"), 0);
    store_publish(&store);
    head = lb_ring_head(&store.ring);
    assert_null(lb_ring_at(&store.ring, head, head));
    assert_null(lb_ring_at(&store.ring, head + 8, head));
    assert_null(lb_ring_at(&store.ring, head - 8, head));
    nth(0, &pos);
    ((struct lb_record *)(void *)(store.ring.map.data + pos))->len = 65;
    assert_null(lb_ring_at(&store.ring, pos, head));
}

/* ---- files ---- */

static struct lb_ring_header *header_of(struct store *of)
{
    return of->ring.header;
}

static int open_alone(size_t size)
{
    struct lb_ring ring;
    int rc = lb_ring_open(store.dir_fd, "ring", size, false, &ring);

    if (rc == 0)
        lb_ring_close(&ring);
    return rc;
}

static void an_existing_ring_keeps_its_size_and_its_id(void **state)
{
    uint64_t id = store.ring.id;

    (void)state;
    assert_true(id != 0);
    store.ring_bytes = 4 * RING_BYTES;
    store_restart(&store);
    assert_int_equal(store.ring.size, RING_BYTES);
    assert_true(store.ring.id == id);
    unlinkat(store.dir_fd, "ring", 0);
    assert_int_equal(open_alone(0), -ENOENT);
    assert_int_equal(open_alone(1), 0); /* rounded up */
}

static void a_file_that_is_no_ring_is_refused(void **state)
{
    uint8_t *bytes = (uint8_t *)header_of(&store);

    (void)state;
    for (size_t i = 0; i < offsetof(struct lb_ring_header, spare); i++) {
        bytes[i] ^= 0x10;
        assert_int_equal(open_alone(RING_BYTES), -EBADMSG);
        bytes[i] ^= 0x10;
    }
    assert_int_equal(open_alone(RING_BYTES), 0);
    assert_int_equal(ftruncate(store.ring.map.fd, LB_RING_HEADER_BYTES + RING_BYTES + LB_MAP_ALIGN), 0);
    assert_int_equal(open_alone(RING_BYTES), -EBADMSG);
    assert_int_equal(ftruncate(store.ring.map.fd, LB_RING_HEADER_BYTES), 0);
    assert_int_equal(open_alone(RING_BYTES), -EBADMSG);
    assert_int_equal(ftruncate(store.ring.map.fd, 100), 0);
    assert_int_equal(open_alone(RING_BYTES), -EBADMSG);
    assert_int_equal(ftruncate(store.ring.map.fd, 0), 0);
    assert_int_equal(open_alone(RING_BYTES), -EBADMSG);
}

static void a_format_of_another_time_is_told_apart_from_damage(void **state)
{
    struct lb_ring_header *header = header_of(&store);

    (void)state;
    header->format++;
    header->check = XXH3_64bits(header, offsetof(struct lb_ring_header, check));
    assert_int_equal(open_alone(RING_BYTES), -EPROTO);
    header->format--;
    header->header_bytes *= 2;
    header->check = XXH3_64bits(header, offsetof(struct lb_ring_header, check));
    assert_int_equal(open_alone(RING_BYTES), -EPROTO);
}

static void a_copy_that_does_not_fit_or_is_damaged_is_none(void **state)
{
    static char buf[BODY_MAX];
    uint64_t pos;

    (void)state;
    assert_int_equal(put(1, "some line"), 0);
    store_publish(&store);
    nth(0, &pos);
    assert_true(lb_ring_copy(&store.ring, pos, buf, sizeof buf) > 0);
    assert_int_equal(lb_ring_copy(&store.ring, pos, buf, 80), -EBADMSG);
    store.ring.map.data[pos + sizeof(struct lb_record) + 8] ^= 1;
    assert_int_equal(lb_ring_copy(&store.ring, pos, buf, sizeof buf), -EBADMSG);
    assert_int_equal(lb_ring_copy(&store.ring, lb_ring_head(&store.ring), buf, sizeof buf), -EBADMSG);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_record_reads_back_as_it_was_put),
        CLAIM(a_record_of_nothing_is_a_record),
        CLAIM(nobody_sees_a_record_before_its_publish),
        CLAIM(numbers_are_dense_in_each_lane),
        CLAIM(a_record_is_at_most_a_third_of_the_ring),
        CLAIM(a_full_ring_refuses_and_changes_nothing),
        CLAIM(a_ring_may_be_filled_to_its_last_byte),
        CLAIM(records_may_lie_across_the_edge),
        CLAIM(the_tail_moves_only_over_what_is_final),
        CLAIM(ranges_of_one_turn_count_together_in_any_order),
        CLAIM(what_is_final_keeps_its_state),
        CLAIM(more_ranges_than_a_commit_holds_are_refused),
        CLAIM(in_flight_means_nothing_after_a_kill),
        CLAIM(no_record_is_where_none_can_be),
        CLAIM(an_existing_ring_keeps_its_size_and_its_id),
        CLAIM(a_file_that_is_no_ring_is_refused),
        CLAIM(a_format_of_another_time_is_told_apart_from_damage),
        CLAIM(a_copy_that_does_not_fit_or_is_damaged_is_none),
    };

    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
