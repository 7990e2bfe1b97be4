/* SPDX-License-Identifier: MIT */
/*
 * Staging after a kill: what left the pipe must be there again, nothing twice,
 * nothing that was not sent. A kill is played by closing the files without a
 * publish and starting anew.
 *
 * Bytes may be anything. Where a stream's last bytes before a kill are 0xFF
 * they are taken for room: the one loss that the design states. The last test
 * plays at random: text cut into writes anywhere, turns that are published or
 * killed, and in the end the bytes that came out are those that went in.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/capture/staging_map.h"
#include "tests/unit/lib_staging.h"

/* ---- a kill in the turn ---- */

static void what_was_spliced_and_not_counted_is_found(void **state)
{
    (void)state;
    pool_send("one\ntwo", 7);
    pool_fetch();
    store_restart(&pool_store);
    pool_check_text("one\ntwo");
    pool_send("+\nthree", 7); /* behind it, in the same chunk */
    pool_fetch();
    store_restart(&pool_store);
    pool_check_text("one\ntwo+\nthree");
    store_restart(&pool_store);
    pool_check_text("one\ntwo+\nthree");
}

static void what_was_taken_and_not_published_is_there_again(void **state)
{
    (void)state;
    pool_send("one\ntwo\n", 8);
    pool_fetch();
    store_publish(&pool_store);
    lb_staging_consume(pool, pool_slot, 4);
    store_restart(&pool_store);
    pool_check_text("one\ntwo\n");
    lb_staging_consume(pool, pool_slot, 8);
    store_restart(&pool_store);
    pool_check_text("one\ntwo\n");
    lb_staging_consume(pool, pool_slot, 4);
    store_publish(&pool_store);
    store_restart(&pool_store);
    pool_check_text("two\n");
    assert_int_equal(lb_staging_get(pool, pool_slot, LB_STREAM_OFFSET), 4);
}

static void a_turn_over_many_chunks_is_found_in_order(void **state)
{
    static uint8_t sent[5 * LB_CHUNK_BYTES], got[5 * LB_CHUNK_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i % 251 + i / LB_CHUNK_BYTES);
    pool_send(sent, 100);
    pool_fetch();
    store_publish(&pool_store);
    pool_send(sent + 100, 4 * LB_CHUNK_BYTES - 50);
    pool_fetch();
    lb_staging_consume(pool, pool_slot, 2 * LB_CHUNK_BYTES); /* chunks that the turn filled and freed */
    store_restart(&pool_store);
    assert_int_equal(pool_bytes(got), 4 * LB_CHUNK_BYTES + 50);
    assert_memory_equal(got, sent, 4 * LB_CHUNK_BYTES + 50);
    pool_check();
}

static void chunks_wiped_late_are_wiped_at_start(void **state)
{
    (void)state;
    pool_send_many('s', 2 * LB_CHUNK_BYTES - 5);
    pool_fetch();
    store_publish(&pool_store);
    lb_staging_consume(pool, pool_slot, 2 * LB_CHUNK_BYTES - 15);
    lb_commit_publish(&pool_store.state.fast); /* killed before lb_staging_after_publish() */
    store_restart(&pool_store);
    pool_check_text("ssssssssss");
    assert_int_equal(pool->free_count, POOL_CHUNKS - 1);
    for (uint32_t i = 0; i < pool->staged[pool_slot].start; i++) /* what was consumed may be a secret */
        assert_int_equal(lb_chunk_bytes(pool, pool->staged[pool_slot].first)[i], 0xff);
}

static void two_streams_of_one_turn_keep_their_bytes(void **state)
{
    uint32_t first = pool_slot, second = pool_new_slot(2);
    uint8_t got[16];

    (void)state;
    pool_send("first", 5);
    pool_fetch();
    pool_slot = second;
    pool_send("second", 6);
    pool_fetch();
    pool_slot = first;
    pool_send("!", 1);
    pool_fetch();
    store_restart(&pool_store);
    pool_check_text("first!");
    pool_slot = second;
    assert_int_equal(pool_bytes(got), 6);
    assert_memory_equal(got, "second", 6);
}

static void all_landings_of_a_turn_are_looked_at(void **state)
{
    static uint8_t got[LB_LANDING_WORDS * LB_CHUNK_BYTES];

    (void)state;
    pool_send_many('a', 4 * LB_CHUNK_BYTES);
    pool_send_many('b', 4 * LB_CHUNK_BYTES - 1);
    pool_send_many('c', 1);
    pool_fetch();
    assert_int_equal(pool->free_count, 0);
    store_restart(&pool_store);
    assert_int_equal(pool_bytes(got), sizeof got);
    assert_int_equal(got[sizeof got - 1], 'c');
    pool_check();
}

/* ---- 0xFF ---- */

static void ff_at_the_very_end_is_the_stated_loss(void **state)
{
    (void)state;
    pool_send("text\xff\xff", 6);
    pool_fetch();
    store_restart(&pool_store);
    pool_check_text("text");
}

static void ff_anywhere_else_is_kept(void **state)
{
    (void)state;
    pool_send("\xff\xff text \xff\xff.", 11);
    pool_fetch();
    store_restart(&pool_store);
    pool_check_text("\xff\xff text \xff\xff.");
    pool_send("\xff\xff", 2);
    pool_fetch();
    store_publish(&pool_store); /* its length is stored */
    store_restart(&pool_store);
    pool_check_text("\xff\xff text \xff\xff.\xff\xff");
}

static void ff_before_the_next_chunk_is_kept(void **state)
{
    static uint8_t got[4 * LB_CHUNK_BYTES];

    (void)state;
    pool_send_many('x', 10);
    pool_send_many(0xff, 3 * LB_CHUNK_BYTES - 10); /* a chunk that ends in it, and two of nothing else */
    pool_send("y", 1);
    pool_fetch();
    store_restart(&pool_store);
    assert_int_equal(pool_bytes(got), 3 * LB_CHUNK_BYTES + 1);
    assert_int_equal(got[9], 'x');
    for (uint32_t i = 10; i < 3 * LB_CHUNK_BYTES; i++)
        assert_int_equal(got[i], 0xff);
    assert_int_equal(got[3 * LB_CHUNK_BYTES], 'y');
}

static void a_chunk_left_early_in_the_turn_is_not_taken_for_full(void **state)
{
    (void)state;
    pool_send("line\n", 5);
    pool_fetch();
    lb_staging_consume(pool, pool_slot, 5); /* the chain is empty, the next splice begins another chunk */
    pool_send("next", 4);
    pool_fetch();
    store_restart(&pool_store);
    pool_check_text("line\nnext");
}

/* ---- damage ---- */

static void put_chunk_word(uint32_t chunk, uint64_t word)
{
    pool->header->words[chunk] = word;
}

static void put_first(uint64_t first)
{
    pool->header->words[pool->chunk_count + pool_slot * LB_STREAM_WORDS + LB_STREAM_FIRST] = first;
}

static void a_chain_is_cut_where_it_makes_no_sense(void **state)
{
    static const uint64_t nonsense[] = {
        (uint64_t)2 << 48 | 100,                  /* of another stream */
        (uint64_t)1 << 48 | (LB_CHUNK_BYTES + 1), /* longer than a chunk */
        0,                                        /* free */
        UINT64_MAX,
    };

    (void)state;
    for (unsigned i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        memset(lb_chunk_bytes(pool, 0), 'x', 50);
        put_chunk_word(0, lb_chunk_pack(50, 2, pool_slot + 1));
        put_chunk_word(1, nonsense[i]);
        put_first((uint64_t)40 << 32 | 1);
        store_restart(&pool_store);
        pool_check_text("xxxxxxxxxx");
        pool_send("y", 1);
        pool_fetch();
        store_publish(&pool_store);
        pool_check_text("xxxxxxxxxxy");
    }
}

static void a_chain_that_bites_its_tail_ends_there(void **state)
{
    struct lb_line line;

    (void)state;
    memset(lb_chunk_bytes(pool, 0), 'x', 5);
    memset(lb_chunk_bytes(pool, 3), 'y', 5);
    put_chunk_word(0, lb_chunk_pack(5, 4, pool_slot + 1));
    put_chunk_word(3, lb_chunk_pack(5, 1, pool_slot + 1));
    put_first(1);
    store_restart(&pool_store);
    pool_check_text("xxxxxyyyyy");
    assert_true(lb_staging_next_line(pool, pool_slot, MAX_LINE, true, &line));
    lb_staging_consume(pool, pool_slot, line.raw_len);
    store_publish(&pool_store);
    assert_int_equal(pool->free_count, POOL_CHUNKS);
}

static void a_start_that_makes_no_sense_stages_nothing(void **state)
{
    static const uint64_t firsts[] = { (uint64_t)60 << 32 | 1, UINT64_MAX, POOL_CHUNKS + 1,
                                       (uint64_t)1 << 32 };

    (void)state;
    for (unsigned i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        put_chunk_word(0, lb_chunk_pack(50, 0, pool_slot + 1));
        put_first(firsts[i]);
        store_restart(&pool_store);
        pool_check_text("");
        assert_int_equal(pool->free_count, POOL_CHUNKS);
    }
}

static void landings_that_make_no_sense_are_passed_over(void **state)
{
    static const uint64_t landings[LB_LANDING_WORDS] = {
        UINT64_MAX,       (uint64_t)1 << 32 | POOL_CHUNKS, (uint64_t)99 << 32, (uint64_t)2 << 32 | 3, 1, 0, 7,
        (uint64_t)1 << 63
    };

    (void)state;
    memset(pool->map.data, 'z', POOL_BYTES);
    memcpy(pool->header->landing, landings, sizeof landings);
    store_restart(&pool_store);
    pool_check_text("");
    assert_int_equal(pool->free_count, POOL_CHUNKS);
}

static void a_file_that_is_no_staging_is_set_aside(void **state)
{
    (void)state;
    for (int damage = 0; damage < 3; damage++) {
        int fd = openat(pool_store.dir_fd, "staging", O_RDWR);

        if (damage == 0)
            assert_int_equal(pwrite(fd, "XX", 2, 20), 2); /* a field under the check */
        else
            assert_int_equal(ftruncate(fd, damage == 1 ? LB_MAP_ALIGN : 100), 0);
        close(fd);
        store_restart(&pool_store);
        assert_true(pool_store.was_damaged);
        assert_int_equal(unlinkat(pool_store.dir_fd, "staging.damaged", 0), 0);
        assert_int_equal(pool->free_count, POOL_CHUNKS);
        store_restart(&pool_store);
        assert_false(pool_store.was_damaged);
    }
}

static void a_redo_block_says_nothing_of_a_file_that_is_no_more(void **state)
{
    struct lb_commit_block *block = &pool_store.state.file->fast_block;

    (void)state;
    pool_send("text", 4);
    pool_fetch();
    store_publish(&pool_store);
    block->mark = 4; /* what the publish left in it */
    unlinkat(pool_store.dir_fd, "staging", 0);
    store_restart(&pool_store);
    assert_int_equal(lb_staging_get(pool, pool_slot, LB_STREAM_FIRST), 0);
    assert_int_equal(pool->free_count, POOL_CHUNKS);
    pool_check();
}

/* ---- other sizes ---- */

static void half_a_line_survives_other_sizes(void **state)
{
    static uint8_t got[3 * LB_CHUNK_BYTES];

    (void)state;
    pool_send("done\n", 5);
    pool_send_many('h', 2 * LB_CHUNK_BYTES);
    pool_fetch();
    lb_staging_consume(pool, pool_slot, 5);
    store_publish(&pool_store);
    for (int i = 0; i < 2; i++) {
        pool_store.staging_bytes = i ? POOL_BYTES : 4 * POOL_BYTES;
        pool_store.max_streams = i ? STREAMS : 100;
        store_restart(&pool_store);
        assert_int_equal(lb_staging_resize(pool, pool_store.dir_fd, pool_store.staging_bytes,
                                           pool_store.max_streams, false),
                         0);
        assert_int_equal(pool->map.data_bytes, pool_store.staging_bytes);
        assert_int_equal(pool->max_streams, pool_store.max_streams);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(pool_bytes(got), 2 * LB_CHUNK_BYTES);
            assert_int_equal(got[0], 'h');
            assert_int_equal(lb_staging_get(pool, pool_slot, LB_STREAM_ID), 1);
            assert_int_equal(lb_staging_get(pool, pool_slot, LB_STREAM_OFFSET), 5);
            assert_memory_equal(pool->names[pool_slot].service, "web", 3);
            pool_check();
            store_restart(&pool_store);
        }
    }
    pool_send("!\n", 2);
    pool_fetch();
    store_publish(&pool_store);
    assert_int_equal(pool_bytes(got), 2 * LB_CHUNK_BYTES + 2);
}

static void what_is_staged_must_fit(void **state)
{
    (void)state;
    assert_int_equal(lb_staging_resize(pool, pool_store.dir_fd, POOL_BYTES, STREAMS, false),
                     0); /* nothing to do */
    pool_send_many('h', 4 * LB_CHUNK_BYTES);
    pool_send_many('h', 1);
    pool_fetch();
    store_publish(&pool_store);
    pool_new_slot(2);
    assert_int_equal(lb_staging_resize(pool, pool_store.dir_fd, POOL_BYTES / 2, STREAMS, false), -EBUSY);
    assert_int_equal(lb_staging_resize(pool, pool_store.dir_fd, POOL_BYTES, 1, false), -EBUSY);
    assert_int_equal(pool->map.data_bytes, POOL_BYTES);
    lb_staging_consume(pool, pool_slot, 1);
    lb_staging_slot_free(pool, 1);
    store_publish(&pool_store);
    assert_int_equal(lb_staging_resize(pool, pool_store.dir_fd, POOL_BYTES, 1, false), 0);
    pool_check();
}

/* ---- any order of things ---- */

enum { TEXT_BYTES = 600000 };

static uint8_t text[TEXT_BYTES];
static size_t sent, taken, taken_published;

static void send_some(void)
{
    size_t len = random_below(4) ? random_below(3000) : random_below(60000);

    if (len > TEXT_BYTES - sent)
        len = TEXT_BYTES - sent;
    if (sent - taken_published + len < POOL_BYTES)
        pool_send(text + sent, len);
    else
        len = 0;
    sent += len;
}

static void take_a_line(void)
{
    uint32_t max_line = random_below(3) ? MAX_LINE : 1000;
    struct lb_line line;
    size_t at = taken;

    if (!lb_staging_next_line(pool, pool_slot, max_line, random_below(50) == 0, &line))
        return;
    assert_int_equal(lb_staging_get(pool, pool_slot, LB_STREAM_OFFSET), taken);
    for (unsigned i = 0; i < line.pieces; i++) {
        assert_memory_equal(line.piece[i].iov_base, text + at, line.piece[i].iov_len);
        at += line.piece[i].iov_len;
    }
    assert_int_equal(at - taken, line.body_len);
    assert_true(line.body_len <= max_line && line.raw_len - line.body_len <= 2);
    assert_true(line.has_end == (text[taken + line.raw_len - 1] == '\n'));
    assert_null(memchr(text + taken, '\n', line.body_len));
    if (random_below(10) == 0)
        return; /* no room in the ring: it is the next line again */
    lb_staging_consume(pool, pool_slot, line.raw_len);
    taken += line.raw_len;
}

static void publish(void)
{
    store_publish(&pool_store);
    taken_published = taken;
}

static void random_step(void)
{
    uint64_t dice = random_below(100);
    bool is_empty;

    if (dice < 20)
        send_some();
    else if (dice < 40)
        lb_staging_splice(pool, pool_slot, pool_pipe_fd[0], random_below(40000), &is_empty);
    else if (dice < 80)
        take_a_line();
    else if (dice < 95)
        publish();
    else {
        if (dice < 97)
            publish();
        store_restart(&pool_store);
        taken = taken_published;
        pool_check();
    }
}

static void bytes_come_out_as_they_went_in(void **state)
{
    unsigned steps = 0;

    (void)state;
    random_begin();
    for (size_t i = 0; i < TEXT_BYTES; i++) /* no 0xFF here: a kill may find it at the end */
        text[i] = random_below(200) == 0 ? '\n' : random_below(200) == 0 ? '\r' : (uint8_t)random_below(255);
    memset(text + 100000, 'l', 30000); /* and one line that is long */
    while (taken_published < TEXT_BYTES && steps++ < 200000)
        random_step();
    assert_int_equal(taken_published, TEXT_BYTES);
    assert_int_equal(pool->free_count, POOL_CHUNKS);
    pool_check();
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, pool_begin, pool_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_was_spliced_and_not_counted_is_found),
        CLAIM(what_was_taken_and_not_published_is_there_again),
        CLAIM(a_turn_over_many_chunks_is_found_in_order),
        CLAIM(chunks_wiped_late_are_wiped_at_start),
        CLAIM(two_streams_of_one_turn_keep_their_bytes),
        CLAIM(all_landings_of_a_turn_are_looked_at),
        CLAIM(ff_at_the_very_end_is_the_stated_loss),
        CLAIM(ff_anywhere_else_is_kept),
        CLAIM(ff_before_the_next_chunk_is_kept),
        CLAIM(a_chunk_left_early_in_the_turn_is_not_taken_for_full),
        CLAIM(a_chain_is_cut_where_it_makes_no_sense),
        CLAIM(a_chain_that_bites_its_tail_ends_there),
        CLAIM(a_start_that_makes_no_sense_stages_nothing),
        CLAIM(landings_that_make_no_sense_are_passed_over),
        CLAIM(a_file_that_is_no_staging_is_set_aside),
        CLAIM(a_redo_block_says_nothing_of_a_file_that_is_no_more),
        CLAIM(half_a_line_survives_other_sizes),
        CLAIM(what_is_staged_must_fit),
        CLAIM(bytes_come_out_as_they_went_in),
    };

    return cmocka_run_group_tests_name("staging after a kill", tests, NULL, NULL);
}
