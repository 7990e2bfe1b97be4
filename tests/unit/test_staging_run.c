/* SPDX-License-Identifier: MIT */
/*
 * A splice that goes to several chunks at once: where a kill leaves its end, and what becomes of chunks that
 * it did not reach.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/capture/staging_map.h"
#include "tests/unit/lib_staging.h"

/* After a full splice the next one goes to several chunks at once. */
static void expect_much(void)
{
    pool_send_many('e', 4 * LB_CHUNK_BYTES);
    pool_send_many('e', 3 * LB_CHUNK_BYTES); /* one, two and four chunks at a time */
    assert_int_equal(pool_fetch(), 7 * LB_CHUNK_BYTES);
    store_publish(&pool_store);
    lb_staging_consume(pool, pool_slot, 7 * LB_CHUNK_BYTES);
    store_publish(&pool_store);
    assert_true(pool->staged[pool_slot].expects >= 3);
}

static void ff_inside_of_one_splice_is_kept(void **state)
{
    static uint8_t got[4 * LB_CHUNK_BYTES];

    (void)state;
    expect_much();
    pool_send_many('x', 10);
    pool_send_many(0xff, 3 * LB_CHUNK_BYTES - 10);
    pool_send("y", 1);
    pool_fetch();
    assert_true(pool->header->landing[3] & LB_LANDING_IN_RUN); /* it was one splice */
    store_restart(&pool_store);
    assert_int_equal(pool_bytes(got), 3 * LB_CHUNK_BYTES + 1);
    for (uint32_t i = 0; i < 3 * LB_CHUNK_BYTES; i++)
        assert_int_equal(got[i], i < 10 ? 'x' : 0xff);
    assert_int_equal(got[3 * LB_CHUNK_BYTES], 'y');
    pool_check();
}

static void ff_at_the_very_end_of_one_splice_is_the_stated_loss(void **state)
{
    (void)state;
    expect_much();
    pool_send("text", 4);
    pool_send_many(0xff, 2 * LB_CHUNK_BYTES);
    pool_fetch();
    assert_true(pool->header->landing[2] & LB_LANDING_IN_RUN);
    store_restart(&pool_store);
    pool_check_text("text");
}

static void chunks_that_a_splice_did_not_reach_are_free_after_the_publish(void **state)
{
    (void)state;
    expect_much();
    pool_send("text", 4);
    pool_fetch();
    assert_int_equal(pool->staged[pool_slot].chunks, 1);
    assert_true(pool->free_count < POOL_CHUNKS - 1); /* landings name them: nobody else may have them now */
    store_publish(&pool_store);
    assert_int_equal(pool->free_count, POOL_CHUNKS - 1);
    pool_check_text("text");
    for (uint32_t i = 1; i < pool->free_count; i++)
        assert_true(pool->free_chunks[i] < pool->free_chunks[i - 1]); /* and in order */
    store_restart(&pool_store);
    pool_check_text("text");
}

static void a_writer_of_little_gets_one_chunk(void **state)
{
    (void)state;
    expect_much();
    for (int i = 0; i < 2; i++) {
        pool_send("text", 4);
        pool_fetch();
        store_publish(&pool_store);
    }
    assert_int_equal(pool->staged[pool_slot].expects, 0);
    pool_check_text("texttext");
}

static void a_run_ends_where_the_next_chunk_is_taken(void **state)
{
    static uint8_t got[8 * LB_CHUNK_BYTES];
    uint32_t mine = pool_slot, other = pool_new_slot(2);

    (void)state;
    expect_much();
    pool_slot = other;
    pool_send("other", 5);
    pool_fetch(); /* has the lowest chunk */
    store_publish(&pool_store);
    pool_slot = mine;
    pool_send("mine", 4);
    pool_fetch();
    store_publish(&pool_store);
    lb_staging_slot_free(pool, other);
    store_publish(&pool_store); /* a free chunk lies before the one in use now, and some behind it */
    pool->staged[mine].expects = 3;
    for (int i = 0; i < 4; i++)
        pool_send_many('a' + i, LB_CHUNK_BYTES);
    assert_int_equal(pool_fetch(), 4 * LB_CHUNK_BYTES);
    for (int restarts = 0; restarts < 2; restarts++) {
        assert_int_equal(pool_bytes(got), 4 * LB_CHUNK_BYTES + 4);
        assert_memory_equal(got, "mine", 4);
        for (uint32_t i = 0; i < 4 * LB_CHUNK_BYTES; i++)
            assert_int_equal(got[4 + i], 'a' + i / LB_CHUNK_BYTES);
        if (restarts == 0)
            store_restart(&pool_store);
    }
    pool_check();
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, pool_begin, pool_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(ff_inside_of_one_splice_is_kept),
        CLAIM(ff_at_the_very_end_of_one_splice_is_the_stated_loss),
        CLAIM(chunks_that_a_splice_did_not_reach_are_free_after_the_publish),
        CLAIM(a_writer_of_little_gets_one_chunk),
        CLAIM(a_run_ends_where_the_next_chunk_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
