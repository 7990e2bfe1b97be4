/* SPDX-License-Identifier: MIT */
/*
 * The ring mends itself at start. Bytes of records are damaged one by one, and
 * in heaps: what was not damaged must be there, and of the rest the numbers
 * must be told, those and no others, and told once. Cursors are damaged bit by
 * bit: whatever they say, the start ends, in a ring that can be used.
 *
 * The loss table is the judge of what was told: lib_store hands it what
 * recovery finds, as logboomd does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/lib_store.h"

enum { RING_BYTES = 65536, NUMBERS = 4096 };

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

static void begin_again(void)
{
    store_end(&store);
    store_begin(&store, RING_BYTES, 0, 0);
}

/* Position of number n of a lane. */
static uint64_t find(unsigned lane, uint64_t n)
{
    uint64_t pos = lb_ring_tail(&store.ring);

    while (pos < lb_ring_head(&store.ring) &&
           (store_at(&store, pos)->kind == LB_KIND_HOLE || store_at(&store, pos)->lane != lane ||
            store_at(&store, pos)->n != n))
        pos += store_at(&store, pos)->len;
    assert_true(pos < lb_ring_head(&store.ring));
    return pos;
}

static void damage(unsigned lane, uint64_t n)
{
    store_at(&store, find(lane, n))->boot_ns ^= 0x55;
}

static void finish(uint64_t from, uint64_t to)
{
    assert_int_equal(lb_ring_finish(&store.ring, from, to, LB_STATE_DELIVERED), 0);
    lb_commit_publish(&store.state.slow);
}

/* "urgent|routine": the pending numbers as ranges, and what is told as lost behind a '!'. Ends in "*" if
 * lines differ. */
static const char *told(void)
{
    static char text[1024];
    static uint8_t mark[2][NUMBERS];
    uint64_t lines = 0, marked = 0;
    size_t len = 0;

    memset(mark, 0, sizeof mark);
    for (uint64_t pos = lb_ring_tail(&store.ring); pos < lb_ring_head(&store.ring);
         pos += store_at(&store, pos)->len) {
        assert_true(lb_record_is_whole(store_at(&store, pos), RING_BYTES, RING_BYTES / 3));
        if (store_at(&store, pos)->kind == LB_KIND_LINE && store_at(&store, pos)->state == LB_STATE_PENDING)
            mark[store_at(&store, pos)->lane][store_at(&store, pos)->n] = 1;
    }
    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++) {
        const uint64_t *words = &store.state.file->loss[row * LB_LOSS_WORDS];
        struct lb_receipt lost;

        memcpy(&lost, &words[LB_LOSS_RECEIPT], sizeof lost);
        if (words[LB_LOSS_STATE] == LB_LOSS_FREE)
            continue;
        assert_int_equal(lost.reason, LB_REASON_CORRUPT);
        lines += lost.lines;
        for (unsigned lane = 0; lane < 2; lane++)
            for (uint64_t n = lost.range[lane][0]; n > 0 && n <= lost.range[lane][1]; n++, marked++) {
                assert_int_equal(mark[lane][n], 0); /* neither there nor told already */
                mark[lane][n] = 2;
            }
    }
    for (unsigned lane = 0; lane < 2; lane++) {
        for (unsigned n = 1; n < NUMBERS - 1; n++) {
            unsigned first = n;

            if (mark[lane][n] == 0)
                continue;
            while (mark[lane][n + 1] == mark[lane][n])
                n++;
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%u-%u ", mark[lane][n] == 2 ? "!" : "",
                                    first, n);
        }
        len += (size_t)snprintf(text + len, sizeof text - len, lane == 0 ? "|" : "%s",
                                lines == marked ? "" : "*");
    }
    return text;
}

/* ---- damaged records ---- */

static void any_byte_of_a_record_makes_a_hole_and_its_number_is_told(void **state)
{
    size_t size = lb_record_size(4, 3, 1);

    (void)state;
    for (size_t i = 0; i < size; i++) {
        store_put_lines(&store, 1, 3);
        ((uint8_t *)store_at(&store, find(1, 2)))[i] ^= 0xff;
        for (int starts = 0; starts < 3; starts++) {
            store_restart(&store);
            if (strcmp(told(), "|1-1 !2-2 3-3 ") != 0)
                fail_msg("byte %zu, start %d: %s", i, starts, told());
            assert_int_equal(store.repair.holes, starts == 0);
            assert_int_equal(store.repair.lost_bytes, starts == 0 ? size : 0);
        }
        store_put_lines(&store, 1, 1);
        assert_string_equal(told(), "|1-1 !2-2 3-4 ");
        begin_again();
    }
}

static void a_record_is_missed_wherever_it_lay(void **state)
{
    (void)state;
    store_put_lines(&store, 1, 4);
    damage(1, 1);
    store_restart(&store);
    assert_string_equal(told(), "|!1-1 2-4 ");
    begin_again();

    store_put_lines(&store, 1, 4);
    damage(1, 4);
    store_restart(&store);
    assert_string_equal(told(), "|1-3 !4-4 ");
    store_put_lines(&store, 1, 2); /* behind the hole */
    store_restart(&store);
    assert_string_equal(told(), "|1-3 !4-4 5-6 ");
    begin_again();

    store_put_lines(&store, 1, 2);
    store_put_lines(&store, 0, 1); /* the only one of its lane */
    store_put_lines(&store, 1, 2);
    damage(0, 1);
    store_restart(&store);
    assert_string_equal(told(), "!1-1 |1-4 ");
    store_put_lines(&store, 0, 1);
    assert_string_equal(told(), "!1-1 2-2 |1-4 ");
    begin_again();

    store_put_lines(&store, 1, 3); /* nothing else is left */
    for (unsigned n = 1; n <= 3; n++)
        damage(1, n);
    store_restart(&store);
    assert_string_equal(told(), "|!1-3 ");
    assert_int_equal(lb_ring_tail(&store.ring), lb_ring_head(&store.ring));
    begin_again();

    store_put_lines(&store, 1, 9); /* at a tail that has moved */
    finish(0, find(1, 5));
    damage(1, 5);
    store_restart(&store);
    assert_string_equal(told(), "|!5-5 6-9 ");
}

static void gaps_are_told_apart(void **state)
{
    (void)state;
    store_put_lines(&store, 1, 10);
    store_put_lines(&store, 0, 3);
    store_put_lines(&store, 1, 10);
    damage(1, 3);
    damage(1, 4);
    damage(1, 9);
    damage(0, 2);
    damage(1, 20);
    store_restart(&store);
    assert_string_equal(told(), "1-1 !2-2 3-3 |1-2 !3-4 5-8 !9-9 10-19 !20-20 ");
    assert_int_equal(store.repair.lost.lines, 5);
    assert_int_equal(store.repair.gaps, 4);
    store_restart(&store);
    assert_int_equal(store.repair.lost.lines, 0);
    damage(1, 7); /* a second damage, in another life */
    store_restart(&store);
    assert_string_equal(told(), "1-1 !2-2 3-3 |1-2 !3-4 5-6 !7-7 8-8 !9-9 10-19 !20-20 ");
}

static void gaps_beyond_the_list_join_its_last(void **state)
{
    (void)state;
    store_put_lines(&store, 1, 4 * LB_RING_GAPS);
    for (unsigned n = 2; n <= 4 * LB_RING_GAPS; n += 2)
        damage(1, n);
    store_restart(&store);
    assert_int_equal(store.repair.gaps, LB_RING_GAPS);
    assert_int_equal(store.repair.lost.lines, 2 * LB_RING_GAPS);
    assert_int_equal(store.repair.gap[LB_RING_GAPS - 1].lines, LB_RING_GAPS + 1);
    assert_int_equal(store.repair.gap[LB_RING_GAPS - 1].range[1][1], 4 * LB_RING_GAPS);
    store_restart(&store);
    assert_int_equal(store.repair.lost.lines, 0);
}

static void what_was_found_and_not_told_is_found_again(void **state)
{
    struct lb_ring_repair repair;

    (void)state;
    store_put_lines(&store, 1, 5);
    damage(1, 1);
    damage(1, 3);
    for (int killed = 0; killed < 3; killed++) {
        store_kill(&store);
        store_open_only(&store);
        lb_ring_recover(&store.ring, &repair);
        assert_int_equal(repair.lost.lines, 2);
        assert_int_equal(repair.gaps, 2);
    }
    store_restart(&store);
    assert_string_equal(told(), "|!1-1 2-2 !3-3 4-5 ");
}

static void holes_are_passed_over_for_good(void **state)
{
    (void)state;
    store_put_lines(&store, 1, 5);
    damage(1, 2);
    damage(1, 3);
    store_restart(&store);
    finish(lb_ring_tail(&store.ring), lb_ring_head(&store.ring));
    assert_int_equal(lb_ring_tail(&store.ring), lb_ring_head(&store.ring));
    assert_string_equal(told(), "|!2-3 ");
    for (unsigned lap = 0; lap < 2000; lap++) {
        store_put_lines(&store, 1, 1);
        finish(lb_ring_tail(&store.ring), lb_ring_head(&store.ring));
    }
    assert_true(lb_ring_head(&store.ring) > 2 * RING_BYTES);
}

static void a_long_stretch_is_more_than_one_hole(void **state)
{
    static char body[8000];

    (void)state;
    for (int i = 0; i < 7; i++)
        assert_int_equal(store_put(&store, 1, 1, body, sizeof body), 0);
    store_put_lines(&store, 1, 1);
    memset(store.ring.map.data, 0xee, find(1, 8));
    store_restart(&store);
    assert_int_equal(store.repair.holes, 1);
    assert_string_equal(told(), "|!1-7 8-8 ");
    store_restart(&store);
    assert_int_equal(store.repair.holes, 0);
}

/* ---- kills that damage nothing ---- */

static void the_tail_passes_at_start_what_is_final(void **state)
{
    (void)state;
    store_put_lines(&store, 1, 4);
    for (uint64_t n = 1; n <= 3; n++)
        lb_ring_set_state(&store.ring, find(1, n), LB_STATE_DELIVERED);
    store_restart(&store);
    assert_string_equal(told(), "|4-4 ");
    assert_true(lb_ring_tail(&store.ring) == find(1, 4));
}

/*
 * The slow side dies when its tail is out and its mark still set; the fast side has written on for a moment.
 * All records are of 128 bytes, so that the new ones begin where the old ones did.
 */
static void a_range_applied_again_spares_what_was_written_since(void **state)
{
    enum { SIZE = 128, HALF = RING_BYTES / 2 };
    char body[SIZE - sizeof(struct lb_record) - 7] = "";
    uint64_t mark;

    (void)state;
    while (store_put(&store, 1, 1, body, sizeof body) == 0)
        store_publish(&store);
    assert_int_equal(lb_ring_head(&store.ring), RING_BYTES);
    assert_int_equal(lb_ring_finish(&store.ring, 0, HALF, LB_STATE_DELIVERED), 0);
    mark = store.state.slow.dirty_count + 2 * store.state.slow.range_count;
    lb_commit_publish(&store.state.slow);
    while (store_put(&store, 1, 1, body, sizeof body) == 0)
        store_publish(&store);
    assert_int_equal(lb_ring_head(&store.ring), RING_BYTES + HALF);
    store.state.file->slow_block.mark = mark;
    store_restart(&store);
    for (uint64_t pos = lb_ring_tail(&store.ring); pos < lb_ring_head(&store.ring);
         pos += store_at(&store, pos)->len)
        assert_int_equal(store_at(&store, pos)->state, LB_STATE_PENDING);
    assert_int_equal(lb_ring_tail(&store.ring), HALF);
}

static void a_redo_block_says_nothing_of_a_ring_that_is_no_more(void **state)
{
    (void)state;
    store_put_lines(&store, 1, 5);
    store.state.file->fast_block.mark = 2;
    unlinkat(store.dir_fd, "ring", 0);
    store_restart(&store);
    assert_int_equal(lb_ring_head(&store.ring), 0);
    store_put_lines(&store, 1, 1);
    assert_string_equal(told(), "|1-1 ");
}

/* ---- damaged cursors ---- */

static uint64_t *words_of_header(void)
{
    return store.ring.header->fast; /* fast, slow, oldest */
}

enum { HEADER_WORDS = LB_RING_FAST_WORDS + LB_RING_SLOW_WORDS + 1 };

/* A ring that has come round; 100 and more records of both lanes are pending, history lies before them. */
static void fill_ring(void)
{
    for (unsigned i = 0; i < 1200; i++) {
        store_put_lines(&store, i % 7 == 0 ? 0 : 1, 1);
        if (i >= 100)
            finish(lb_ring_tail(&store.ring), lb_ring_tail(&store.ring) + 8);
    }
}

static void senseless_cursors_are_found_anew(void **state)
{
    static const uint64_t nonsense[] = { UINT64_MAX, 3, 0, 1u << 30 };
    char expected[1024];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        for (unsigned word = 0; word < 2; word++) {
            begin_again();
            fill_ring();
            snprintf(expected, sizeof expected, "%s", told());
            if (word == 0)
                words_of_header()[LB_RING_HEAD] = nonsense[i];
            else
                words_of_header()[LB_RING_FAST_WORDS + LB_RING_TAIL] = nonsense[i] | 1;
            store_restart(&store);
            assert_true(store.repair.cursors_were_bad);
            assert_string_equal(told(), expected);
            store_put_lines(&store, 0, 1);
            store_put_lines(&store, 1, 1);
            store_restart(&store);
            assert_false(store.repair.cursors_were_bad);
            assert_int_equal(store.repair.lost.lines, 0);
        }
}

static void old_stamps_do_not_mislead_the_search(void **state)
{
    (void)state;
    store_put_lines(&store, 1, 3);
    assert_int_equal(store_put(&store, 1, 1, "drained by a client", 19), 0); /* read long before */
    store_put_lines(&store, 1, 3);
    store_put_lines(&store, 0, 2);
    words_of_header()[LB_RING_HEAD] = UINT64_MAX;
    store_restart(&store);
    assert_string_equal(told(), "1-2 |1-7 ");
    assert_int_equal(store.repair.lost.lines, 0);
}

static void numbers_are_not_given_twice_after_a_search(void **state)
{
    (void)state;
    store_put_lines(&store, 1, 5);
    store_put_lines(&store, 0, 5);
    words_of_header()[LB_RING_NEXT_ROUTINE] = 0;
    store_restart(&store);
    store_put_lines(&store, 1, 1);
    store_put_lines(&store, 0, 1);
    assert_string_equal(told(), "1-6 |1-6 ");
}

/* Whatever one bit in the header says: the start ends, all that is there is whole, no number is given twice.
 */
static void no_bit_of_the_cursors_can_stop_the_start(void **state)
{
    (void)state;
    for (unsigned word = 0; word < HEADER_WORDS; word++)
        for (unsigned bit = 0; bit < 64; bit += word % LB_RING_FAST_WORDS < 3 || bit < 8 ? 1 : 13) {
            uint64_t next[2];

            begin_again();
            store_put_lines(&store, 1, 20);
            store_put_lines(&store, 0, 3);
            finish(0, find(1, 4));
            words_of_header()[word] ^= (uint64_t)1 << bit;
            store_restart(&store);
            memset(next, 0, sizeof next);
            store_put_lines(&store, 0, 1);
            store_put_lines(&store, 1, 1);
            for (uint64_t pos = lb_ring_tail(&store.ring); pos < lb_ring_head(&store.ring);
                 pos += store_at(&store, pos)->len) {
                assert_true(lb_record_is_whole(store_at(&store, pos), RING_BYTES, RING_BYTES / 3));
                if (store_at(&store, pos)->kind == LB_KIND_HOLE)
                    continue;
                assert_true(store_at(&store, pos)->n >= next[store_at(&store, pos)->lane]);
                next[store_at(&store, pos)->lane] = store_at(&store, pos)->n + 1;
            }
            assert_true(lb_ring_oldest(&store.ring) <= lb_ring_tail(&store.ring));
            assert_true(lb_ring_head(&store.ring) - lb_ring_oldest(&store.ring) <= RING_BYTES);
            assert_true(store.repair.lost.lines <= RING_BYTES / sizeof(struct lb_record) * 4);
            store_restart(&store);
            assert_int_equal(store.repair.holes, 0);
            assert_int_equal(store.repair.lost.lines, 0);
        }
}

/* ---- any damage ---- */

static void damage_at_random_is_told_to_the_number(void **state)
{
    (void)state;
    random_begin();
    for (int round = 0; round < 300; round++) {
        static uint8_t is_damaged[2][NUMBERS], is_found[2][NUMBERS];
        unsigned kills = 1 + (unsigned)random_below(10);

        begin_again();
        memset(is_damaged, 0, sizeof is_damaged);
        memset(is_found, 0, sizeof is_found);
        for (unsigned i = 0; i < 900; i++) {
            store_put_lines(&store, (unsigned)random_below(2), 1);
            if (i > 60)
                finish(lb_ring_tail(&store.ring), lb_ring_tail(&store.ring) + 8);
        }
        for (uint64_t pos = lb_ring_tail(&store.ring); pos < lb_ring_head(&store.ring) && kills > 0;) {
            uint64_t next = pos + store_at(&store, pos)->len;

            if (random_below(6) == 0) {
                uint64_t byte = random_below(store_at(&store, pos)->len);

                is_damaged[store_at(&store, pos)->lane][store_at(&store, pos)->n] = 1;
                kills--;
                if (byte != offsetof(struct lb_record, state)) /* outside the check */
                    ((uint8_t *)store_at(&store, pos))[byte] ^= (uint8_t)(1 + random_below(255));
                else
                    ((uint8_t *)store_at(&store, pos))[byte] = 77;
            }
            pos = next;
        }
        store_restart(&store);
        for (unsigned i = 0; i < store.repair.gaps; i++)
            for (unsigned lane = 0; lane < 2; lane++)
                for (uint64_t n = store.repair.gap[i].range[lane][0];
                     n > 0 && n <= store.repair.gap[i].range[lane][1]; n++)
                    is_found[lane][n]++;
        assert_memory_equal(is_found, is_damaged, sizeof is_found);
        assert_false(store.repair.cursors_were_bad);
    }
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(any_byte_of_a_record_makes_a_hole_and_its_number_is_told),
        CLAIM(a_record_is_missed_wherever_it_lay),
        CLAIM(gaps_are_told_apart),
        CLAIM(gaps_beyond_the_list_join_its_last),
        CLAIM(what_was_found_and_not_told_is_found_again),
        CLAIM(holes_are_passed_over_for_good),
        CLAIM(a_long_stretch_is_more_than_one_hole),
        CLAIM(the_tail_passes_at_start_what_is_final),
        CLAIM(a_range_applied_again_spares_what_was_written_since),
        CLAIM(a_redo_block_says_nothing_of_a_ring_that_is_no_more),
        CLAIM(senseless_cursors_are_found_anew),
        CLAIM(old_stamps_do_not_mislead_the_search),
        CLAIM(numbers_are_not_given_twice_after_a_search),
        CLAIM(no_bit_of_the_cursors_can_stop_the_start),
        CLAIM(damage_at_random_is_told_to_the_number),
    };

    return cmocka_run_group_tests_name("ring at start", tests, NULL, NULL);
}
