/* SPDX-License-Identifier: MIT */
/*
 * The held pool.
 *
 * The story: throttled records wait in RAM. The newest stay, each service has its share, and when something
 * goes wrong they are taken in order, once. The books say what is there at any instant, also after a kill.
 */
#include "agent/store/held.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/lib_store.h"

#define POOL_BYTES (256 * 1024u) /* 16 chunks */
#define SERVICE    3u

static struct lb_held_sum lost[LB_SERVICES_BOOKS];
static struct store store;
static struct lb_held held;
static uint64_t pool_bytes;

static void open_pool(void)
{
    assert_int_equal(lb_held_open(store.dir_fd, pool_bytes, false, &store.state.fast, &held), 0);
    lb_commit_recover(&store.state.fast);
    lb_held_recover(&held, false, lost);
}

static int begin(void **state)
{
    (void)state;
    pool_bytes = POOL_BYTES;
    store_begin(&store, 65536, 0, 0);
    open_pool();
    return 0;
}

static int end(void **state)
{
    (void)state;
    lb_held_close(&held);
    store_end(&store);
    return 0;
}

/* The agent dies, and another one starts. */
static void restart(void)
{
    lb_held_close(&held);
    store_restart(&store);
    open_pool();
}

static void publish(void)
{
    lb_commit_publish(&store.state.fast);
    lb_held_after_publish(&held);
}

static int put_once(uint32_t row, uint64_t bytes_max, enum lb_drop why, uint64_t number, size_t len)
{
    static char text[LB_HELD_CHUNK_BYTES];
    struct lb_record head = { .kind = LB_KIND_LINE, .severity = 6, .boot_ns = number, .lines = 1 };
    struct iovec service = { (char[]) { "app" }, 3 }, tags = { NULL, 0 }, body = { text, len };

    memset(text, 'x', len);
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return lb_held_put(&held, row, bytes_max, &head, why, len, &service, &tags, &body, 1);
}

/* As the agent does: what has no room gives up the oldest, in a commit of its own. */
static void put(uint32_t row, uint64_t number, size_t len)
{
    int rc = put_once(row, UINT64_MAX, LB_DROP_SAMPLE, number, len);

    if (rc == -ENOBUFS) {
        lb_held_give_up(&held, row, UINT64_MAX);
        publish();
        rc = put_once(row, UINT64_MAX, LB_DROP_SAMPLE, number, len);
    }
    assert_int_equal(rc, 0);
}

static uint64_t booked(uint32_t row, unsigned word)
{
    return lb_commit_get(&store.state.fast, LB_FAST_THROTTLE,
                         row * LB_THROTTLE_WORDS + LB_THROTTLE_HELD + word);
}

static uint64_t held_lines(uint32_t row)
{
    uint64_t lines = 0;

    for (unsigned i = 0; i < LB_HELD_REASONS; i++)
        lines += booked(row, 2 * i);
    return lines;
}

static uint64_t dropped(uint32_t row, enum lb_drop why)
{
    struct lb_drop_place place = lb_drop_place(row, why);

    return lb_commit_get(&store.state.fast, place.region, place.word);
}

/* First and last stamp of what a reach gives; the number of records. */
static unsigned reach(uint32_t row, uint64_t since, uint64_t bytes_max, uint64_t *first, uint64_t *last)
{
    struct lb_held_place from, at;
    struct lb_held_sum sum;
    const struct lb_record *record;
    unsigned count = 0;

    lb_held_reach(&held, row, since, bytes_max, UINT64_MAX, &from, &sum);
    for (at = from; (record = lb_held_next(&held, &at)); count++) {
        if (count == 0)
            *first = record->boot_ns;
        *last = record->boot_ns;
    }
    assert_int_equal(sum.lines, count);
    return count;
}

static void records_come_back_in_order(void **state)
{
    uint64_t first, last;

    (void)state;
    for (uint64_t i = 1; i <= 500; i++)
        put(SERVICE, i, 200);
    publish();
    assert_int_equal(reach(SERVICE, 0, UINT64_MAX, &first, &last), 500);
    assert_int_equal(first, 1);
    assert_int_equal(last, 500);
    assert_int_equal(held_lines(SERVICE), 500);
    assert_int_equal(booked(SERVICE, 2 * (LB_DROP_SAMPLE - LB_DROP_FILTER) + 1), 500 * 200);
}

static void the_newest_stay_and_what_goes_is_dropped_for_its_reason(void **state)
{
    uint64_t first = 0, last = 0;
    unsigned count;

    (void)state;
    for (uint64_t i = 1; i <= 5000; i++)
        put(SERVICE, i, 200);
    publish();
    count = reach(SERVICE, 0, UINT64_MAX, &first, &last);
    assert_int_equal(last, 5000);
    assert_int_equal(first, 5000 - count + 1);
    assert_true(count > 700);
    assert_int_equal(held_lines(SERVICE), count);
    assert_int_equal(dropped(SERVICE, LB_DROP_SAMPLE), 5000 - count);
}

static void a_service_keeps_no_more_than_its_share(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 1000; i++)
        if (put_once(SERVICE, 20000, LB_DROP_LIMIT, i, 200) == -ENOBUFS) {
            lb_held_give_up(&held, SERVICE, 20000);
            publish();
            assert_int_equal(put_once(SERVICE, 20000, LB_DROP_LIMIT, i, 200), 0);
        }
    publish();
    assert_true(held.queue[SERVICE].count <= 4);
    assert_true(held_lines(SERVICE) >= 20000 / 200);
    assert_int_equal(held_lines(SERVICE) + dropped(SERVICE, LB_DROP_LIMIT), 1000);
}

static void in_a_full_pool_the_one_that_has_most_pays(void **state)
{
    uint64_t first, last;

    (void)state;
    for (uint64_t i = 1; i <= 3000; i++)
        put(SERVICE, i, 200);
    put(9, 1, 200);
    publish();
    assert_int_equal(held.queue[9].count, 1);
    assert_int_equal(held.queue[SERVICE].count, 15);
    assert_int_equal(reach(9, 0, UINT64_MAX, &first, &last), 1);
}

static void nothing_committed_is_overwritten_before_it_is_given_up(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 5000; i++) {
        if (put_once(SERVICE, UINT64_MAX, LB_DROP_SAMPLE, i, 200) != -ENOBUFS) {
            publish();
            continue;
        }
        lb_held_give_up(&held, SERVICE, UINT64_MAX);
        assert_int_equal(put_once(SERVICE, UINT64_MAX, LB_DROP_SAMPLE, i, 200), -ENOBUFS);
        publish();
        assert_int_equal(put_once(SERVICE, UINT64_MAX, LB_DROP_SAMPLE, i, 200), 0);
        publish();
    }
}

static void what_is_longer_than_a_chunk_is_not_held(void **state)
{
    (void)state;
    assert_int_equal(put_once(SERVICE, UINT64_MAX, LB_DROP_SAMPLE, 1, LB_HELD_CHUNK_BYTES - 80), 0);
    assert_int_equal(put_once(SERVICE, UINT64_MAX, LB_DROP_SAMPLE, 1, LB_HELD_CHUNK_BYTES - 64), -EMSGSIZE);
}

static void a_reach_has_bounds_in_time_and_bytes(void **state)
{
    uint64_t first, last;

    (void)state;
    for (uint64_t i = 1; i <= 300; i++)
        put(SERVICE, i, 200);
    assert_int_equal(reach(SERVICE, 251, UINT64_MAX, &first, &last), 50);
    assert_int_equal(first, 251);
    assert_int_equal(reach(SERVICE, 0, 10 * 200 + 199, &first, &last), 10);
    assert_int_equal(first, 291);
    assert_int_equal(reach(SERVICE, 301, UINT64_MAX, &first, &last), 0);
    assert_int_equal(reach(7, 0, UINT64_MAX, &first, &last), 0);
}

static void what_was_taken_is_held_no_more_and_what_is_older_is_given_up(void **state)
{
    struct lb_held_place from;
    struct lb_held_sum sum;
    uint64_t first, last;

    (void)state;
    for (uint64_t i = 1; i <= 300; i++)
        put(SERVICE, i, 200);
    publish();
    lb_held_reach(&held, SERVICE, 101, UINT64_MAX, UINT64_MAX, &from, &sum);
    assert_int_equal(sum.lines, 200);
    lb_held_take(&held, SERVICE, &from);
    assert_int_equal(held_lines(SERVICE), 0);
    put(SERVICE, 301, 200); /* in the same turn: not where committed records lie */
    publish();
    assert_int_equal(reach(SERVICE, 0, UINT64_MAX, &first, &last), 1);
    assert_int_equal(last, 301);
    assert_int_equal(dropped(SERVICE, LB_DROP_SAMPLE), 100);
}

static void a_kill_before_the_publish_leaves_what_was_there(void **state)
{
    struct lb_held_place from;
    struct lb_held_sum sum;
    uint64_t first, last;

    (void)state;
    for (uint64_t i = 1; i <= 300; i++)
        put(SERVICE, i, 200);
    publish();
    lb_held_reach(&held, SERVICE, 101, UINT64_MAX, UINT64_MAX, &from, &sum);
    lb_held_take(&held, SERVICE, &from);
    for (uint64_t i = 1000; i < 1100; i++)
        put_once(SERVICE, UINT64_MAX, LB_DROP_SAMPLE, i, 200);
    restart();
    assert_int_equal(reach(SERVICE, 0, UINT64_MAX, &first, &last), 300);
    assert_int_equal(first, 1);
    assert_int_equal(last, 300);
    assert_int_equal(held_lines(SERVICE), 300);
}

static void an_agent_after_a_kill_goes_on(void **state)
{
    uint64_t first, last;

    (void)state;
    for (uint64_t i = 1; i <= 300; i++) {
        put(SERVICE, i, 200);
        publish();
        if (i % 40 == 0)
            restart();
    }
    assert_int_equal(reach(SERVICE, 0, UINT64_MAX, &first, &last), 300);
    assert_int_equal(held_lines(SERVICE), 300);
}

static void what_damage_took_is_dropped_as_lost(void **state)
{
    uint64_t first, last;
    unsigned count;

    (void)state;
    for (uint64_t i = 1; i <= 200; i++)
        put(SERVICE, i, 200);
    publish();
    held.map.data[(size_t)(held.queue[SERVICE].first - 1) * LB_HELD_CHUNK_BYTES + 5000] ^= 1;
    restart();
    count = reach(SERVICE, 0, UINT64_MAX, &first, &last);
    assert_true(count < 200 && count > 100);
    assert_int_equal(held_lines(SERVICE), count);
    assert_int_equal(dropped(SERVICE, LB_DROP_LOST), 200 - count);
    assert_int_equal(lost[SERVICE].lines, 200 - count);
    restart();
    assert_int_equal(dropped(SERVICE, LB_DROP_LOST), 200 - count);
    assert_int_equal(lost[SERVICE].lines, 0);
}

static void a_file_that_is_none_is_set_aside(void **state)
{
    (void)state;
    put(SERVICE, 1, 200);
    publish();
    memset(held.header->magic, 'x', 8);
    restart();
    assert_true(held.was_damaged);
    assert_int_equal(faccessat(store.dir_fd, "held.damaged", F_OK, 0), 0);
    assert_int_equal(held_lines(SERVICE), 0);
    assert_int_equal(dropped(SERVICE, LB_DROP_LOST), 1);
    put(SERVICE, 2, 200);
}

static void another_size_gives_up_what_is_held(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 300; i++)
        put(SERVICE, i, 200);
    publish();
    pool_bytes = 2 * POOL_BYTES;
    assert_int_equal(lb_held_resize(&held, store.dir_fd, pool_bytes, false), 0);
    assert_int_equal(held.chunks, 32);
    assert_int_equal(held_lines(SERVICE), 0);
    assert_int_equal(dropped(SERVICE, LB_DROP_SAMPLE), 300);
    put(SERVICE, 301, 200);
    publish();
    restart();
    assert_int_equal(held_lines(SERVICE), 1);
}

static void without_a_pool_nothing_is_held(void **state)
{
    (void)state;
    put(SERVICE, 1, 200);
    publish();
    pool_bytes = 0;
    assert_int_equal(lb_held_resize(&held, store.dir_fd, 0, false), 0);
    assert_int_equal(put_once(SERVICE, UINT64_MAX, LB_DROP_SAMPLE, 1, 10), -EMSGSIZE);
    assert_int_equal(dropped(SERVICE, LB_DROP_SAMPLE), 1);
    assert_int_not_equal(faccessat(store.dir_fd, "held", F_OK, 0), 0);
}

/* A life: services hold, are promoted, and the agent dies at any time; the books are the sums, always. */
static void a_random_life_keeps_its_books(void **state)
{
    uint64_t in[8] = { 0 }, taken[8] = { 0 };

    (void)state;
    random_begin();
    for (unsigned step = 0; step < 20000; step++) {
        uint32_t row = (uint32_t)random_below(8);
        struct lb_held_place from;
        struct lb_held_sum sum;

        switch (random_below(100)) {
        case 0:
            publish();
            restart();
            break;
        case 1:
            lb_held_reach(&held, row, 0, random_below(100000), UINT64_MAX, &from, &sum);
            lb_held_take(&held, row, &from);
            taken[row] += sum.lines;
            publish();
            break;
        default:
            put(row, step, random_below(20) ? 40 + random_below(400) : 1 + random_below(16000));
            in[row]++;
            break;
        }
    }
    publish();
    for (uint32_t row = 0; row < 8; row++) {
        uint64_t first, last;

        assert_int_equal(reach(row, 0, UINT64_MAX, &first, &last), held_lines(row));
        assert_int_equal(in[row], held_lines(row) + taken[row] + dropped(row, LB_DROP_SAMPLE));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_come_back_in_order),
        TEST(the_newest_stay_and_what_goes_is_dropped_for_its_reason),
        TEST(a_service_keeps_no_more_than_its_share),
        TEST(in_a_full_pool_the_one_that_has_most_pays),
        TEST(nothing_committed_is_overwritten_before_it_is_given_up),
        TEST(what_is_longer_than_a_chunk_is_not_held),
        TEST(a_reach_has_bounds_in_time_and_bytes),
        TEST(what_was_taken_is_held_no_more_and_what_is_older_is_given_up),
        TEST(a_kill_before_the_publish_leaves_what_was_there),
        TEST(an_agent_after_a_kill_goes_on),
        TEST(what_damage_took_is_dropped_as_lost),
        TEST(a_file_that_is_none_is_set_aside),
        TEST(another_size_gives_up_what_is_held),
        TEST(without_a_pool_nothing_is_held),
        TEST(a_random_life_keeps_its_books),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
