/* SPDX-License-Identifier: MIT */
/*
 * The queue ring in use: one writer, one reader, first in first out, numbers
 * dense per lane, room given back in order, history readable until the writer
 * comes round. How it mends itself at start is in test_ring_recover.c.
 *
 * The last two tests know nothing of the insides: one plays a random life and
 * compares with a plain array, one copies records while another thread
 * overwrites them.
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
#include <pthread.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/unit/lib_store.h"

enum { RING_BYTES = 65536, BODY_MAX = RING_BYTES / 8 };

/* The copy of a record that is being overwritten is a race by design: it is thrown away. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:lb_ring_copy\nrace:lb_ring_put\n"; /* it sees one of both, or none of the other */
}

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

static void a_record_is_at_most_an_eighth_of_the_ring(void **state)
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
    static char body[BODY_MAX];
    size_t fits = BODY_MAX - sizeof(struct lb_record) - 7; /* service and tags take 7 */

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

/* A body that says how long it is and whose it is. */
static size_t make_body(char *body, uint64_t key)
{
    size_t len = key * 2654435761u % 3000;

    for (size_t i = 0; i < len; i++)
        body[i] = (char)(key * 31 + i * 7);
    return len;
}

/* ---- history ---- */

static void history_is_readable_until_the_writer_comes_round(void **state)
{
    static char buf[BODY_MAX];
    char body[3000];
    uint64_t key = 0, seen = 0;

    (void)state;
    while (lb_ring_head(&store.ring) < 10 * RING_BYTES) {
        uint64_t oldest, head, tail;

        key++;
        assert_int_equal(store_put(&store, 1, key, body, make_body(body, key)), 0);
        store_publish(&store);
        assert_int_equal(finish(0, 1, LB_STATE_DELIVERED), 0);
        publish_slow();
        oldest = lb_ring_oldest(&store.ring);
        head = lb_ring_head(&store.ring);
        tail = lb_ring_tail(&store.ring);
        assert_true(oldest <= tail && tail == head && head - oldest <= RING_BYTES);
        for (uint64_t pos = oldest, n = 0; pos < head;) {
            int64_t len = lb_ring_copy(&store.ring, pos, buf, sizeof buf);
            const struct lb_record *record = (const struct lb_record *)(const void *)buf;

            assert_true(len > 0);
            assert_true(n == 0 || record->n == n + 1);
            n = record->n;
            assert_int_equal(record->body_len, make_body(body, n));
            assert_memory_equal(lb_record_body(record), body, record->body_len);
            pos += (uint64_t)len;
            seen++;
        }
        if (oldest > 0)
            assert_int_equal(lb_ring_copy(&store.ring, oldest - 8, buf, sizeof buf), -EAGAIN);
    }
    assert_true(seen > 1000);
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

/* ---- a random life, beside a plain array ---- */

struct twin {
    uint64_t pos, key;
    unsigned lane, state;
    uint64_t n;
};

static struct {
    struct twin record[100000];
    unsigned tail, published, end; /* indexes: first not passed, behind the last visible, behind the last */
    uint64_t next[2], next_published[2];
    unsigned state_after[100000]; /* with the slow side's next publish */
} model;

static void compare(void)
{
    uint64_t head = lb_ring_head(&store.ring), pos = lb_ring_tail(&store.ring);
    char body[3000];

    for (unsigned i = model.tail; i < model.published; i++) {
        const struct lb_record *record = lb_ring_at(&store.ring, pos, head);
        const struct twin *twin = &model.record[i];

        assert_non_null(record);
        assert_true(twin->pos == pos && twin->n == record->n && twin->lane == record->lane);
        assert_int_equal(record->state, twin->state);
        assert_int_equal(record->body_len, make_body(body, twin->key));
        assert_memory_equal(lb_record_body(record), body, record->body_len);
        assert_true(lb_record_is_whole(record, record->len, BODY_MAX));
        pos += record->len;
    }
    assert_true(pos == head);
}

static void model_slow_publish(void)
{
    publish_slow();
    for (unsigned i = model.tail; i < model.published; i++)
        model.record[i].state = model.state_after[i];
    while (model.tail < model.published && model.record[model.tail].state >= LB_STATE_DELIVERED)
        model.tail++;
}

static void model_kill(void)
{
    store_restart(&store);
    assert_int_equal(store.repair.holes + store.repair.lost.lines + store.repair.cursors_were_bad, 0);
    model.end = model.published;
    memcpy(model.next, model.next_published, sizeof model.next);
    for (unsigned i = model.tail; i < model.end; i++) {
        if (model.record[i].state == LB_STATE_IN_FLIGHT)
            model.record[i].state = LB_STATE_PENDING;
        model.state_after[i] = model.record[i].state;
    }
}

static void model_put(void)
{
    struct twin *twin = &model.record[model.end];
    char body[3000];
    uint64_t pos = lb_commit_get(&store.state.fast, LB_FAST_RING, LB_RING_HEAD);
    int rc;

    twin->key = random_next();
    twin->lane = (unsigned)random_below(2);
    twin->state = LB_STATE_PENDING;
    twin->pos = pos;
    rc = store_put(&store, twin->lane, 1 + random_below(1000), body, make_body(body, twin->key));
    if (rc == -ENOSPC)
        return;
    assert_int_equal(rc, 0);
    twin->n = model.next[twin->lane]++;
    model.state_after[model.end++] = LB_STATE_PENDING;
}

static void model_finish(void)
{
    unsigned count = model.published - model.tail;
    unsigned first = model.tail + (unsigned)random_below(count), last = first + (unsigned)random_below(5);
    unsigned to_state = LB_STATE_DELIVERED + (unsigned)random_below(4);

    if (last >= model.published)
        last = model.published - 1;
    if (random_below(4) == 0 && model.record[first].state <= LB_STATE_IN_FLIGHT &&
        model.state_after[first] <= LB_STATE_IN_FLIGHT) {
        lb_ring_set_state(&store.ring, model.record[first].pos, LB_STATE_IN_FLIGHT);
        model.record[first].state = model.state_after[first] = LB_STATE_IN_FLIGHT;
        return;
    }
    if (lb_ring_finish(&store.ring, model.record[first].pos, model.record[last].pos + 8, to_state) ==
        -ENOBUFS) {
        model_slow_publish();
        return;
    }
    for (unsigned i = first; i <= last; i++)
        if (model.state_after[i] < LB_STATE_DELIVERED)
            model.state_after[i] = to_state;
}

static void a_random_life_agrees_with_a_plain_array(void **state)
{
    (void)state;
    random_begin();
    memset(&model, 0, sizeof model);
    model.next[0] = model.next[1] = model.next_published[0] = model.next_published[1] = 1;
    for (int step = 0; step < 40000 && model.end < 99000; step++) {
        uint64_t dice = random_below(100);

        if (dice < 45)
            model_put();
        else if (dice < 75 && model.published > model.tail)
            model_finish();
        else if (dice < 85) {
            store_publish(&store);
            model.published = model.end;
            memcpy(model.next_published, model.next, sizeof model.next);
        } else if (dice < 97)
            model_slow_publish();
        else if (dice < 98)
            model_kill();
        if (step % 16 == 0)
            compare();
    }
    assert_true(lb_ring_head(&store.ring) > 20 * RING_BYTES);
}

/* ---- a reader while the writer overwrites ---- */

static uint32_t has_read_enough;

static void *write_on(void *arg)
{
    char body[3000];

    for (uint64_t key = 1; !__atomic_load_n(&has_read_enough, __ATOMIC_ACQUIRE); key++) {
        if (store_put(&store, 1, key, body, make_body(body, key)) < 0)
            *(int *)arg = -1;
        lb_commit_publish(&store.state.fast);
        lb_ring_finish(&store.ring, lb_ring_tail(&store.ring), lb_ring_head(&store.ring), LB_STATE_DELIVERED);
        lb_commit_publish(&store.state.slow);
    }
    return NULL;
}

static void a_torn_copy_is_never_taken_for_a_record(void **state)
{
    static char buf[BODY_MAX], body[3000];
    const struct lb_record *record = (const struct lb_record *)(const void *)buf;
    uint64_t pos = 0, copied = 0, overwritten = 0;
    int writer_rc = 0;
    pthread_t writer;

    (void)state;
    has_read_enough = 0;
    assert_int_equal(pthread_create(&writer, NULL, write_on, &writer_rc), 0);
    while (copied < 20000 || overwritten < 20) {
        int64_t len;

        if (pos >= lb_ring_head(&store.ring) || copied % 64 == 63)
            pos = lb_ring_oldest(&store.ring); /* back to where it is hot */
        if (pos >= lb_ring_head(&store.ring))
            continue;
        len = lb_ring_copy(&store.ring, pos, buf, sizeof buf);
        if (len == -EAGAIN) {
            overwritten++;
            pos = lb_ring_oldest(&store.ring);
            continue;
        }
        assert_true(len > 0);
        assert_int_equal(record->body_len, make_body(body, record->n));
        assert_memory_equal(lb_record_body(record), body, record->body_len);
        assert_int_equal(record->boot_ns, record->n);
        pos += (uint64_t)len;
        copied++;
    }
    __atomic_store_n(&has_read_enough, 1, __ATOMIC_RELEASE);
    pthread_join(writer, NULL);
    assert_int_equal(writer_rc, 0);
    print_message("%llu copied, %llu overwritten meanwhile\n", (unsigned long long)copied,
                  (unsigned long long)overwritten);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_record_reads_back_as_it_was_put),
        CLAIM(a_record_of_nothing_is_a_record),
        CLAIM(nobody_sees_a_record_before_its_publish),
        CLAIM(numbers_are_dense_in_each_lane),
        CLAIM(a_record_is_at_most_an_eighth_of_the_ring),
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
        CLAIM(history_is_readable_until_the_writer_comes_round),
        CLAIM(a_copy_that_does_not_fit_or_is_damaged_is_none),
        CLAIM(a_random_life_agrees_with_a_plain_array),
        CLAIM(a_torn_copy_is_never_taken_for_a_record),
    };

    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
