/* SPDX-License-Identifier: MIT */
/*
 * Staging in use: bytes come from real pipes, lie in chunks, and go as lines,
 * and a chunk that was emptied is wiped and used again. What becomes of them
 * when the agent is killed is in test_staging_recover.c.
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

#include "agent/capture/staging_map.h"
#include "tests/unit/lib_staging.h"

static void send_text(const char *text)
{
    pool_send(text, strlen(text));
}

static int64_t splice_all(bool *ret_is_empty)
{
    return lb_staging_splice(pool, pool_slot, pool_pipe_fd[0], 1 << 20, ret_is_empty);
}

static const char *text_of(const struct lb_line *line)
{
    static char text[3 * MAX_LINE];
    size_t len = 0;

    for (unsigned i = 0; i < line->pieces; i++) {
        memcpy(text + len, line->piece[i].iov_base, line->piece[i].iov_len);
        len += line->piece[i].iov_len;
    }
    assert_int_equal(len, line->body_len);
    text[len] = '\0';
    return text;
}

/* The next line as "text", with '+' behind it when it is cut, '.' when it has no end; NULL: none. Takes it.
 */
static const char *next_line(uint32_t max_line, bool at_end)
{
    static char told[3 * MAX_LINE];
    struct lb_line line;

    if (!lb_staging_next_line(pool, pool_slot, max_line, at_end, &line))
        return NULL;
    snprintf(told, sizeof told, "%s%s%s", text_of(&line), line.is_cut ? "+" : "", line.has_end ? "" : ".");
    lb_staging_set(pool, pool_slot, LB_STREAM_INFO, line.is_cut && !line.has_end ? LB_STREAM_IN_CUT : 0);
    lb_staging_consume(pool, pool_slot, line.raw_len);
    return told;
}

/* ---- splice ---- */

static void an_empty_pipe_that_blocks_does_not_block_us(void **state)
{
    bool is_empty = false;

    (void)state;
    assert_false(fcntl(pool_pipe_fd[0], F_GETFL) & O_NONBLOCK);
    alarm(10);
    assert_int_equal(splice_all(&is_empty), 0);
    assert_true(is_empty);
    alarm(0);
    store_publish(&pool_store);
    assert_int_equal(pool->free_count, POOL_CHUNKS);
}

static void what_is_left_of_a_full_pipe_is_told(void **state)
{
    bool is_empty;

    (void)state;
    pool_send_many('x', 3 * LB_CHUNK_BYTES);
    assert_int_equal(lb_staging_splice(pool, pool_slot, pool_pipe_fd[0], LB_CHUNK_BYTES, &is_empty),
                     LB_CHUNK_BYTES);
    assert_false(is_empty);
    store_publish(&pool_store);
    assert_int_equal(splice_all(&is_empty), 2 * LB_CHUNK_BYTES);
    assert_true(is_empty);
}

static void the_end_of_a_pipe_is_not_an_empty_pipe(void **state)
{
    bool is_empty;

    (void)state;
    send_text("last words");
    close(pool_pipe_fd[1]);
    assert_int_equal(splice_all(&is_empty), 10);
    assert_false(is_empty); /* nobody will tell us again that it has ended: look again */
    store_publish(&pool_store);
    assert_int_equal(splice_all(&is_empty), 0);
    assert_false(is_empty);
    store_publish(&pool_store);
    assert_string_equal(next_line(MAX_LINE, true), "last words.");
    pool_pipe_fd[1] = open("/dev/null", O_WRONLY);
}

static void landings_are_used_up_until_the_publish(void **state)
{
    bool is_empty;
    unsigned splices = 0;

    (void)state;
    while (splices < 100 && lb_staging_splice(pool, pool_slot, pool_pipe_fd[0], 1, &is_empty) == 0)
        splices++;
    assert_true(splices > 0 && splices <= LB_LANDING_WORDS);
    assert_int_equal(splice_all(&is_empty), -EBUSY);
    store_publish(&pool_store);
    assert_int_equal(splice_all(&is_empty), 0);
}

static void nothing_is_spliced_for_a_stream_that_is_not_true_yet(void **state)
{
    static const struct lb_stream_name name = { .service_len = 1, .service = "x" };
    int64_t fresh = lb_staging_slot_new(pool, 9, &name);
    bool is_empty;

    (void)state;
    send_text("x");
    assert_true(fresh >= 0);
    assert_int_equal(lb_staging_splice(pool, (uint32_t)fresh, pool_pipe_fd[0], 1000, &is_empty), -EBUSY);
    store_publish(&pool_store);
    assert_int_equal(lb_staging_splice(pool, (uint32_t)fresh, pool_pipe_fd[0], 1000, &is_empty), 1);
}

static void what_is_no_pipe_is_an_error(void **state)
{
    bool is_empty;

    (void)state;
    assert_int_equal(lb_staging_splice(pool, pool_slot, pool_store.dir_fd, 1000, &is_empty), -EINVAL);
    store_publish(&pool_store);
    assert_int_equal(pool->free_count, POOL_CHUNKS);
}

static void an_empty_pool_is_told_and_comes_back(void **state)
{
    uint32_t other = pool_new_slot(2);
    bool is_empty;

    (void)state;
    pool_send_many('x', 4 * LB_CHUNK_BYTES);
    assert_int_equal(pool_fetch(), 4 * LB_CHUNK_BYTES);
    store_publish(&pool_store);
    pool_send_many('y', 4 * LB_CHUNK_BYTES);
    assert_int_equal(pool_fetch(), 4 * LB_CHUNK_BYTES);
    store_publish(&pool_store);
    send_text("more");
    assert_int_equal(splice_all(&is_empty), -ENOBUFS);
    assert_int_equal(lb_staging_splice(pool, other, pool_pipe_fd[0], 100, &is_empty), -ENOBUFS);
    assert_int_equal(lb_staging_write(pool, other, "x", 1), -ENOBUFS);
    lb_staging_slot_free(pool, pool_slot);
    assert_int_equal(pool->free_count, 0); /* not before the publish: recovery may need them */
    store_publish(&pool_store);
    assert_int_equal(pool->free_count, POOL_CHUNKS);
    assert_int_equal(lb_staging_splice(pool, other, pool_pipe_fd[0], 100, &is_empty), 4);
    store_publish(&pool_store);
    pool_check();
}

static void no_chunk_is_lost_at_a_chunks_edge(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * POOL_CHUNKS; i++) {
        pool_send_many('x', LB_CHUNK_BYTES - 1);
        send_text("\n");
        assert_int_equal(pool_fetch(),
                         LB_CHUNK_BYTES); /* the next chunk was added to learn that the pipe is empty */
        store_publish(&pool_store);
        assert_non_null(next_line(MAX_LINE, false));
        store_publish(&pool_store);
        assert_int_equal(pool->free_count, POOL_CHUNKS);
        assert_int_equal(pool_fetch(), 0);
        store_publish(&pool_store);
    }
    pool_check();
}

/* ---- lines ---- */

static void lines_come_one_by_one(void **state)
{
    (void)state;
    send_text("one\ntwo\r\n\n\r\nfive\r\r\nsix");
    pool_fetch();
    assert_string_equal(next_line(MAX_LINE, false), "one");
    assert_string_equal(next_line(MAX_LINE, false), "two");
    assert_string_equal(next_line(MAX_LINE, false), "");
    assert_string_equal(next_line(MAX_LINE, false), "");
    assert_string_equal(next_line(MAX_LINE, false), "five\r");
    assert_null(next_line(MAX_LINE, false));
    store_publish(&pool_store);
    send_text("!\n");
    pool_fetch();
    assert_string_equal(next_line(MAX_LINE, false), "six!");
    assert_null(next_line(MAX_LINE, false));
    assert_int_equal(lb_staging_get(pool, pool_slot, LB_STREAM_OFFSET), 24);
}

static void a_line_that_is_not_taken_is_the_next_one_again(void **state)
{
    struct lb_line line;

    (void)state;
    send_text("same\nother\n");
    pool_fetch();
    for (int i = 0; i < 3; i++) {
        assert_true(lb_staging_next_line(pool, pool_slot, MAX_LINE, false, &line));
        assert_string_equal(text_of(&line), "same");
        assert_int_equal(line.raw_len, 5);
    }
}

static void the_end_ends_the_last_line(void **state)
{
    (void)state;
    assert_null(next_line(MAX_LINE, true));
    send_text("a\nno end");
    pool_fetch();
    assert_string_equal(next_line(MAX_LINE, true), "a");
    assert_string_equal(next_line(MAX_LINE, true), "no end.");
    assert_null(next_line(MAX_LINE, true));
}

static void a_line_may_lie_over_many_chunks(void **state)
{
    static char expected[MAX_LINE + 1];

    (void)state;
    send_text("short\n");
    memset(expected, 'x', 60000);
    pool_send(expected, 60000);
    send_text("\r\nnext\n");
    pool_fetch();
    assert_string_equal(next_line(MAX_LINE, false), "short");
    assert_string_equal(next_line(MAX_LINE, false), expected);
    assert_string_equal(next_line(MAX_LINE, false), "next");
    store_publish(&pool_store);
    assert_int_equal(pool->free_count, POOL_CHUNKS);
    pool_check();
}

static void a_line_end_may_be_torn_by_a_chunks_edge(void **state)
{
    (void)state;
    for (unsigned before = LB_CHUNK_BYTES - 3; before <= LB_CHUNK_BYTES; before++) {
        pool_send_many('x', before);
        send_text("\r\ny\n");
        pool_fetch();
        assert_int_equal(strlen(next_line(MAX_LINE, false)), before);
        assert_string_equal(next_line(MAX_LINE, false), "y");
        assert_null(next_line(MAX_LINE, false));
        store_publish(&pool_store);
    }
}

static void too_long_a_line_is_cut_and_all_its_pieces_say_so(void **state)
{
    (void)state;
    send_text("0123456789\n0123456789A\n0123456789ABCDEFGHIJKLM\nx\n");
    pool_fetch();
    assert_string_equal(next_line(10, false), "0123456789");
    assert_string_equal(next_line(10, false), "0123456789+.");
    assert_string_equal(next_line(10, false), "A+");
    assert_string_equal(next_line(10, false), "0123456789+.");
    assert_string_equal(next_line(10, false), "ABCDEFGHIJ+.");
    assert_string_equal(next_line(10, false), "KLM+");
    assert_string_equal(next_line(10, false), "x");
}

static void a_cut_does_not_tear_a_character(void **state)
{
    (void)state;
    send_text("01234567\xc3\xa4z\n"          /* fits to the byte */
              "012345678\xc3\xa4z\n"         /* would be torn in its middle */
              "01234567\xe2\x82\xacz\n"      /* after two of three */
              "0123456\xf0\x9f\x98\x80zzz\n" /* after three of four */
              "012345678\x80\x80\x80zz\n");  /* no character: cut anywhere */
    pool_fetch();
    assert_string_equal(next_line(10, false), "01234567\xc3\xa4+.");
    assert_string_equal(next_line(10, false), "z+");
    assert_string_equal(next_line(10, false), "012345678+.");
    assert_string_equal(next_line(10, false), "\xc3\xa4z+");
    assert_string_equal(next_line(10, false), "01234567+.");
    assert_string_equal(next_line(10, false), "\xe2\x82\xacz+");
    assert_string_equal(next_line(10, false), "0123456+.");
    assert_string_equal(next_line(10, false), "\xf0\x9f\x98\x80zzz+");
    assert_string_equal(next_line(10, false), "012345678\x80+.");
    assert_string_equal(next_line(10, false), "\x80\x80zz+");
}

static void a_shorter_limit_than_before_is_kept(void **state)
{
    (void)state;
    send_text("0123456789");
    pool_fetch();
    assert_null(next_line(100, false));
    assert_string_equal(next_line(4, false), "0123+.");
    send_text("\n");
    pool_fetch();
    assert_string_equal(next_line(100, false), "456789+");
}

static void a_line_over_more_chunks_than_it_has_pieces_is_cut(void **state)
{
    static const char part[] = "0123456789";
    uint64_t bytes = 0;
    struct lb_line line;

    (void)state;
    /* A chain of short chunks comes about when a resize or a kill leaves one behind in each life. */
    store_end(&pool_store);
    store_begin(&pool_store, 65536, 2 * POOL_BYTES, STREAMS);
    pool_slot = pool_new_slot(1);
    for (uint32_t chunk = 0; chunk < 2 * LB_LINE_PIECES; chunk++) {
        if (chunk == 2 * POOL_CHUNKS)
            break;
        memcpy(lb_chunk_bytes(pool, chunk), part, 10);
        pool->header->words[chunk] =
            lb_chunk_pack(10, chunk + 1 < 2 * POOL_CHUNKS ? chunk + 2 : 0, pool_slot + 1);
    }
    pool->header->words[pool->chunk_count + pool_slot * LB_STREAM_WORDS + LB_STREAM_FIRST] = 1;
    store_restart(&pool_store);
    assert_true(lb_staging_next_line(pool, pool_slot, MAX_LINE, true, &line));
    assert_int_equal(line.pieces, LB_LINE_PIECES);
    assert_int_equal(line.raw_len, 10 * LB_LINE_PIECES);
    assert_true(line.is_cut && !line.has_end);
    while (lb_staging_next_line(pool, pool_slot, MAX_LINE, true, &line)) {
        bytes += line.raw_len;
        lb_staging_consume(pool, pool_slot, line.raw_len);
    }
    assert_int_equal(bytes, 10 * 2 * POOL_CHUNKS);
}

/* ---- what a client sends in packets ---- */

static void packets_lie_behind_what_is_staged(void **state)
{
    static char large[20000];

    (void)state;
    lb_staging_set(pool, pool_slot, LB_STREAM_INFO, LB_STREAM_DRAINING);
    memset(large, 'p', sizeof large);
    assert_int_equal(lb_staging_write(pool, pool_slot, "one\ntw", 6), 0);
    assert_int_equal(lb_staging_write(pool, pool_slot, "o\n", 2), 0);
    assert_int_equal(lb_staging_write(pool, pool_slot, large, sizeof large), 0);
    assert_int_equal(lb_staging_write(pool, pool_slot, "\n", 1), 0);
    assert_int_equal(lb_staging_write(pool, pool_slot, "", 0), 0);
    assert_string_equal(next_line(MAX_LINE, false), "one");
    assert_string_equal(next_line(MAX_LINE, false), "two");
    assert_int_equal(strlen(next_line(MAX_LINE, false)), sizeof large);
}

static void a_packet_that_does_not_fit_changes_nothing(void **state)
{
    static char large[POOL_BYTES + 1];

    (void)state;
    assert_int_equal(lb_staging_write(pool, pool_slot, large, sizeof large), -ENOBUFS);
    assert_int_equal(pool->free_count, POOL_CHUNKS);
    assert_int_equal(lb_staging_write(pool, pool_slot, large, POOL_BYTES), 0);
    assert_int_equal(pool->free_count, 0);
}

static void packets_that_were_not_committed_are_gone(void **state)
{
    (void)state;
    lb_staging_set(pool, pool_slot, LB_STREAM_INFO, LB_STREAM_DRAINING);
    assert_int_equal(lb_staging_write(pool, pool_slot, "kept ", 5), 0);
    store_publish(&pool_store);
    assert_int_equal(lb_staging_write(pool, pool_slot, "gone", 4), 0);
    store_restart(&pool_store);
    assert_int_equal(pool->staged[pool_slot].bytes, 5);
    pool_check();
}

/* ---- slots ---- */

static void a_slot_is_not_given_away_before_its_end_is_true(void **state)
{
    static const struct lb_stream_name name = { .service_len = 1, .service = "x" };
    uint32_t others[STREAMS - 1];

    (void)state;
    for (uint32_t i = 0; i < STREAMS - 1; i++)
        others[i] = pool_new_slot(10 + i);
    assert_int_equal(lb_staging_slot_new(pool, 20, &name), -ENOSPC);
    lb_staging_slot_free(pool, others[1]);
    assert_int_equal(lb_staging_slot_new(pool, 20, &name), -ENOSPC);
    store_publish(&pool_store);
    assert_int_equal(lb_staging_slot_new(pool, 20, &name), others[1]);
}

static void a_slot_and_its_words_live_on(void **state)
{
    (void)state;
    lb_staging_set(pool, pool_slot, LB_STREAM_INO, 1234);
    send_text("half a li");
    pool_fetch();
    store_publish(&pool_store);
    lb_staging_set(pool, pool_slot, LB_STREAM_INO, 99); /* not published */
    store_restart(&pool_store);
    assert_int_equal(lb_staging_get(pool, pool_slot, LB_STREAM_ID), 1);
    assert_int_equal(lb_staging_get(pool, pool_slot, LB_STREAM_INO), 1234);
    assert_memory_equal(pool->names[pool_slot].service, "web", 3);
    send_text("ne\n");
    pool_fetch();
    assert_string_equal(next_line(MAX_LINE, false), "half a line");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, pool_begin, pool_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(an_empty_pipe_that_blocks_does_not_block_us),
        CLAIM(what_is_left_of_a_full_pipe_is_told),
        CLAIM(the_end_of_a_pipe_is_not_an_empty_pipe),
        CLAIM(landings_are_used_up_until_the_publish),
        CLAIM(nothing_is_spliced_for_a_stream_that_is_not_true_yet),
        CLAIM(what_is_no_pipe_is_an_error),
        CLAIM(an_empty_pool_is_told_and_comes_back),
        CLAIM(no_chunk_is_lost_at_a_chunks_edge),
        CLAIM(lines_come_one_by_one),
        CLAIM(a_line_that_is_not_taken_is_the_next_one_again),
        CLAIM(the_end_ends_the_last_line),
        CLAIM(a_line_may_lie_over_many_chunks),
        CLAIM(a_line_end_may_be_torn_by_a_chunks_edge),
        CLAIM(too_long_a_line_is_cut_and_all_its_pieces_say_so),
        CLAIM(a_cut_does_not_tear_a_character),
        CLAIM(a_shorter_limit_than_before_is_kept),
        CLAIM(a_line_over_more_chunks_than_it_has_pieces_is_cut),
        CLAIM(packets_lie_behind_what_is_staged),
        CLAIM(a_packet_that_does_not_fit_changes_nothing),
        CLAIM(packets_that_were_not_committed_are_gone),
        CLAIM(a_slot_is_not_given_away_before_its_end_is_true),
        CLAIM(a_slot_and_its_words_live_on),
    };

    return cmocka_run_group_tests_name("staging", tests, NULL, NULL);
}
