/* SPDX-License-Identifier: MIT */
/*
 * The queue ring for a while. History can be read until the writer comes round;
 * a random life of puts, publishes, finished ranges and kills agrees with a
 * plain array; and a reader that copies records while another thread
 * overwrites them never takes a torn one for whole.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "tests/unit/lib_store.h"

enum { RING_BYTES = 65536, BODY_MAX = RING_BYTES / 3 / 8 * 8 };

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

static void publish_slow(void)
{
    lb_commit_publish(&store.state.slow);
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
        assert_int_equal(lb_ring_finish(&store.ring, lb_ring_tail(&store.ring), lb_ring_head(&store.ring),
                                        LB_STATE_DELIVERED),
                         0);
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

/* Walks what is left of history; returns how many bytes that is. */
static uint64_t walk_history(void)
{
    static char buf[BODY_MAX];
    uint64_t oldest = lb_ring_oldest(&store.ring), head = lb_ring_head(&store.ring), n = 0;

    for (uint64_t pos = oldest; pos < head;) {
        int64_t len = lb_ring_copy(&store.ring, pos, buf, sizeof buf);
        const struct lb_record *record = (const struct lb_record *)(const void *)buf;

        assert_true(len > 0); /* oldest is where a record begins */
        assert_true(n == 0 || record->n == n + 1);
        n = record->n;
        pos += (uint64_t)len;
    }
    return head - oldest;
}

static void history_gives_way_by_a_step_also_after_a_restart(void **state)
{
    const uint64_t step = RING_BYTES / LB_RING_MARKS;
    uint64_t moves = 0, puts = 0, before = 0;

    (void)state;
    while (lb_ring_head(&store.ring) < 8 * RING_BYTES) {
        uint64_t kept;

        assert_int_equal(store_put(&store, 1, 1000, "short", 5), 0);
        store_publish(&store);
        assert_int_equal(lb_ring_finish(&store.ring, lb_ring_tail(&store.ring), lb_ring_head(&store.ring),
                                        LB_STATE_DELIVERED),
                         0);
        publish_slow();
        if (++puts % 1777 == 0) /* a new writer knows nothing of what lies there */
            store_restart(&store);
        kept = walk_history();
        assert_true(kept <= RING_BYTES);
        if (lb_ring_head(&store.ring) > RING_BYTES)
            assert_true(kept > RING_BYTES - 3 * step);
        moves += lb_ring_oldest(&store.ring) != before;
        before = lb_ring_oldest(&store.ring);
    }
    assert_true(moves > LB_RING_MARKS && moves < puts / 2);
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
        CLAIM(history_is_readable_until_the_writer_comes_round),
        CLAIM(history_gives_way_by_a_step_also_after_a_restart),
        CLAIM(a_random_life_agrees_with_a_plain_array),
        CLAIM(a_torn_copy_is_never_taken_for_a_record),
    };

    return cmocka_run_group_tests_name("ring for a while", tests, NULL, NULL);
}
