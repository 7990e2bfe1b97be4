/* SPDX-License-Identifier: MIT */
/*
 * The commit point: what a side changes in a turn becomes true in one step, or
 * not at all. A kill is played by taking the shared words and the block as they
 * are and starting anew on them; a block that a killed process left is written
 * by hand, word by word as the format says.
 *
 * A reader on another thread must never see half a turn: a writer moves two
 * words so that their sum stays the same, and the reader adds them up.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "agent/store/commit.h"
#include "tests/unit/lib_store.h"

enum { TABLE = 0, OTHER = 5, WORDS = 64, OTHER_WORDS = 8 };

/* What lies in tmpfs: it outlives every struct lb_commit. */
static struct {
    struct lb_commit_block block;
    uint64_t table[WORDS], other[OTHER_WORDS];
} shared;
static struct lb_commit commit;

/* What the ring would have been told, in order. */
static struct {
    unsigned ring, state;
    uint64_t from, to;
    uint64_t word_then; /* table[0] at that moment */
} heard[64];
static unsigned heard_count;

static void hear_range(void *ctx, unsigned ring, uint64_t from, uint64_t to, unsigned state)
{
    assert_ptr_equal(ctx, &shared);
    heard[heard_count].ring = ring;
    heard[heard_count].state = state;
    heard[heard_count].from = from;
    heard[heard_count].to = to;
    heard[heard_count++].word_then = shared.table[0];
}

static uint32_t start(void)
{
    lb_commit_init(&commit, &shared.block, hear_range, &shared);
    assert_int_equal(lb_commit_region(&commit, TABLE, shared.table, WORDS), 0);
    assert_int_equal(lb_commit_region(&commit, OTHER, shared.other, OTHER_WORDS), 0);
    return lb_commit_recover(&commit);
}

static int begin(void **state)
{
    (void)state;
    memset(&shared, 0, sizeof shared);
    heard_count = 0;
    start();
    return 0;
}

static int end(void **state)
{
    (void)state;
    lb_commit_close(&commit);
    return 0;
}

static void restart(void)
{
    lb_commit_close(&commit);
    start();
}

static void put_entry(unsigned i, unsigned id, uint32_t low, uint64_t value)
{
    shared.block.entry[i].where = (uint64_t)id << 32 | low;
    shared.block.entry[i].value = value;
}

static void nothing_is_true_before_publish_and_all_is_after(void **state)
{
    (void)state;
    lb_commit_set(&commit, TABLE, 3, 33);
    lb_commit_add(&commit, TABLE, 3, 1);
    lb_commit_set(&commit, OTHER, 7, 77);
    assert_int_equal(lb_commit_get(&commit, TABLE, 3), 34);
    assert_int_equal(shared.table[3], 0);
    assert_int_equal(shared.other[7], 0);
    assert_int_equal(shared.block.mark, 0);
    lb_commit_publish(&commit);
    assert_int_equal(shared.table[3], 34);
    assert_int_equal(shared.other[7], 77);
    assert_int_equal(shared.block.mark, 0);
}

static void a_turn_that_was_not_published_never_was(void **state)
{
    (void)state;
    lb_commit_set(&commit, TABLE, 3, 33);
    lb_commit_publish(&commit);
    lb_commit_set(&commit, TABLE, 3, 99);
    assert_int_equal(lb_commit_range(&commit, 1, 0, 8, 2), 0);
    restart();
    assert_int_equal(lb_commit_get(&commit, TABLE, 3), 33);
    lb_commit_publish(&commit);
    assert_int_equal(shared.table[3], 33);
    assert_int_equal(heard_count, 0);
}

static void a_word_set_twice_takes_one_entry_and_its_last_value(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * LB_COMMIT_ENTRIES; i++)
        lb_commit_set(&commit, TABLE, 1, i);
    assert_int_equal(commit.dirty_count, 1);
    lb_commit_publish(&commit);
    assert_int_equal(shared.table[1], 3 * LB_COMMIT_ENTRIES - 1);
    /* And it can be set again in the next turn. */
    lb_commit_set(&commit, TABLE, 1, 5);
    lb_commit_publish(&commit);
    assert_int_equal(shared.table[1], 5);
}

static void an_empty_turn_publishes_nothing(void **state)
{
    uint64_t seq = lb_commit_read_begin(&commit);

    (void)state;
    lb_commit_publish(&commit);
    assert_false(lb_commit_read_retry(&commit, seq));
    lb_commit_set(&commit, TABLE, 0, 0); /* the same value is still a word to store */
    lb_commit_publish(&commit);
    assert_true(lb_commit_read_retry(&commit, seq));
}

static void a_valid_block_is_made_true_at_start(void **state)
{
    (void)state;
    put_entry(0, TABLE, 0, 10);
    put_entry(1, OTHER, OTHER_WORDS - 1, 20);
    put_entry(2, TABLE, WORDS - 1, 30);
    shared.block.mark = 3;
    lb_commit_close(&commit);
    assert_int_equal(start(), 3);
    assert_int_equal(shared.table[0], 10);
    assert_int_equal(shared.other[OTHER_WORDS - 1], 20);
    assert_int_equal(lb_commit_get(&commit, TABLE, WORDS - 1), 30);
    assert_int_equal(shared.block.mark, 0);
}

static void applying_a_block_again_gives_the_same_words(void **state)
{
    (void)state;
    put_entry(0, TABLE, 2, 10);
    put_entry(1, TABLE, 2, 11); /* the later one wins, each time */
    for (int times = 0; times < 3; times++) {
        shared.block.mark = 2;
        restart();
        assert_int_equal(shared.table[2], 11);
    }
}

static void a_block_without_its_mark_is_ignored(void **state)
{
    (void)state;
    put_entry(0, TABLE, 0, 10);
    lb_commit_close(&commit);
    assert_int_equal(start(), 0);
    assert_int_equal(shared.table[0], 0);
}

static void a_mark_that_was_never_stored_is_ignored(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LB_COMMIT_ENTRIES; i++)
        put_entry(i, TABLE, i % WORDS, 66);
    shared.block.mark = LB_COMMIT_ENTRIES + 1;
    lb_commit_close(&commit);
    assert_int_equal(start(), 0);
    assert_int_equal(shared.table[0], 0);
    assert_int_equal(shared.block.mark, 0);
}

static void entries_that_fit_no_region_are_passed_over(void **state)
{
    (void)state;
    put_entry(0, TABLE, WORDS, 1);         /* behind its end */
    put_entry(1, OTHER, UINT32_MAX, 2);    /* far behind */
    put_entry(2, 1, 0, 3);                 /* a region that this start does not have */
    put_entry(3, LB_COMMIT_REGIONS, 0, 4); /* no region's number */
    put_entry(4, 0x12345678, 0, 5);        /* nonsense */
    put_entry(5, OTHER, 0, 6);             /* and one that is good */
    shared.block.mark = 6;
    lb_commit_close(&commit);
    assert_int_equal(start(), 6);
    for (unsigned i = 0; i < WORDS; i++)
        assert_int_equal(shared.table[i], 0);
    assert_int_equal(shared.other[0], 6);
}

static void ranges_come_first_and_words_after(void **state)
{
    (void)state;
    lb_commit_set(&commit, TABLE, 0, 1);
    assert_int_equal(lb_commit_range(&commit, 3, 100, 200, 4), 0);
    assert_int_equal(lb_commit_range(&commit, 2, UINT64_MAX - 8, UINT64_MAX, 5), 0);
    assert_int_equal(heard_count, 0);
    lb_commit_publish(&commit);
    assert_int_equal(heard_count, 2);
    assert_int_equal(heard[0].ring, 3);
    assert_int_equal(heard[0].state, 4);
    assert_int_equal(heard[0].from, 100);
    assert_int_equal(heard[0].to, 200);
    assert_int_equal(heard[0].word_then, 0);
    assert_int_equal(heard[1].ring, 2);
    assert_true(heard[1].from == UINT64_MAX - 8 && heard[1].to == UINT64_MAX);
    assert_int_equal(shared.table[0], 1);
    lb_commit_set(&commit, TABLE, 0, 2);
    lb_commit_publish(&commit);
    assert_int_equal(heard_count, 2);
}

static void a_killed_turn_hands_its_ranges_on(void **state)
{
    (void)state;
    put_entry(0, 0xfe, 1 << 8 | 4, 64);
    put_entry(1, 0xff, 1 << 8 | 4, 128);
    put_entry(2, TABLE, 0, 128);
    shared.block.mark = 3;
    restart();
    assert_int_equal(heard_count, 1);
    assert_int_equal(heard[0].ring, 1);
    assert_int_equal(heard[0].state, 4);
    assert_int_equal(heard[0].from, 64);
    assert_int_equal(heard[0].to, 128);
    assert_int_equal(shared.table[0], 128);
}

static void only_so_many_ranges_wait(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LB_COMMIT_RANGES; i++)
        assert_int_equal(lb_commit_range(&commit, 0, i, i + 1, 2), 0);
    assert_int_equal(lb_commit_range(&commit, 0, 99, 100, 2), -ENOBUFS);
    lb_commit_publish(&commit);
    assert_int_equal(heard_count, LB_COMMIT_RANGES);
    assert_int_equal(lb_commit_range(&commit, 0, 99, 100, 2), 0);
}

static void a_block_holds_all_that_has_room_allows(void **state)
{
    static uint64_t large[LB_COMMIT_ENTRIES];
    uint32_t words = 0;

    (void)state;
    memset(large, 0, sizeof large);
    assert_int_equal(lb_commit_region(&commit, 1, large, LB_COMMIT_ENTRIES), 0);
    while (lb_commit_has_room(&commit, 1))
        lb_commit_set(&commit, 1, words++, 7);
    for (unsigned i = 0; i < LB_COMMIT_RANGES; i++)
        assert_int_equal(lb_commit_range(&commit, 0, i, i + 1, 2), 0);
    assert_int_equal(words + 2 * LB_COMMIT_RANGES, LB_COMMIT_ENTRIES);
    lb_commit_publish(&commit);
    assert_int_equal(heard_count, LB_COMMIT_RANGES);
    for (uint32_t i = 0; i < words; i++)
        assert_int_equal(large[i], 7);
}

static void a_table_that_moved_is_added_again(void **state)
{
    static uint64_t moved[2 * WORDS];

    (void)state;
    memset(moved, 0, sizeof moved);
    moved[WORDS + 1] = 5;
    assert_int_equal(lb_commit_region(&commit, TABLE, moved, 2 * WORDS), 0);
    lb_commit_reload(&commit, TABLE);
    assert_int_equal(lb_commit_get(&commit, TABLE, WORDS + 1), 5);
    lb_commit_add(&commit, TABLE, WORDS + 1, 1);
    lb_commit_publish(&commit);
    assert_int_equal(moved[WORDS + 1], 6);
}

/* ---- another thread looks ---- */

enum { SUM = 1000000, LOOKS = 5000 };

static uint32_t has_looked; /* the reader's: it has seen enough */

static void *write_turns(void *arg)
{
    (void)arg;
    for (uint64_t i = 1; !__atomic_load_n(&has_looked, __ATOMIC_ACQUIRE); i++) {
        for (unsigned work = 0; work < 100;
             work++) /* a turn is mostly something else, or nobody would get to read */
            lb_commit_set(&commit, TABLE, 10, i % SUM);
        lb_commit_set(&commit, TABLE, 50, SUM - i % SUM);
        lb_commit_set(&commit, OTHER, 2, 2 * (i % SUM));
        lb_commit_publish(&commit);
    }
    return NULL;
}

static void a_reader_never_sees_half_a_turn(void **state)
{
    uint64_t values[41], seq, table, other, changes = 0, last = 0;
    pthread_t writer;

    (void)state;
    has_looked = 0;
    lb_commit_set(&commit, TABLE, 50, SUM);
    lb_commit_publish(&commit);
    assert_int_equal(pthread_create(&writer, NULL, write_turns, NULL), 0);
    for (unsigned look = 0; look < LOOKS || changes < LOOKS / 10; look++) {
        lb_commit_snapshot(&commit, TABLE, 10, 41, values);
        assert_int_equal(values[0] + values[40], SUM);
        do { /* and two tables at one instant */
            seq = lb_commit_read_begin(&commit);
            lb_commit_snapshot(&commit, TABLE, 10, 1, &table);
            lb_commit_snapshot(&commit, OTHER, 2, 1, &other);
        } while (lb_commit_read_retry(&commit, seq));
        assert_int_equal(other, 2 * table);
        changes += table != last;
        last = table;
    }
    __atomic_store_n(&has_looked, 1, __ATOMIC_RELEASE);
    pthread_join(writer, NULL);
}

/* ---- any order of things ---- */

static void a_random_life_agrees_with_a_plain_array(void **state)
{
    uint64_t now[WORDS] = { 0 }, published[WORDS] = { 0 };

    (void)state;
    random_begin();
    for (int step = 0; step < 20000; step++) {
        uint32_t word = (uint32_t)random_below(WORDS);

        switch (random_below(8)) {
        case 0:
            lb_commit_publish(&commit);
            memcpy(published, now, sizeof now);
            break;
        case 1: /* killed: what was not published is gone */
            restart();
            memcpy(now, published, sizeof now);
            break;
        case 2: /* killed in the publish, behind the mark */
            shared.block.mark = 0;
            for (uint32_t i = 0; i < commit.dirty_count; i++) {
                shared.block.entry[i].where = commit.dirty[i].where;
                shared.block.entry[i].value = now[(uint32_t)commit.dirty[i].where];
            }
            shared.block.mark = commit.dirty_count;
            restart();
            memcpy(published, now, sizeof now);
            break;
        default:
            now[word] = random_next();
            lb_commit_set(&commit, TABLE, word, now[word]);
        }
        assert_int_equal(lb_commit_get(&commit, TABLE, word), now[word]);
        assert_memory_equal(shared.table, published, sizeof published);
    }
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(nothing_is_true_before_publish_and_all_is_after),
        CLAIM(a_turn_that_was_not_published_never_was),
        CLAIM(a_word_set_twice_takes_one_entry_and_its_last_value),
        CLAIM(an_empty_turn_publishes_nothing),
        CLAIM(a_valid_block_is_made_true_at_start),
        CLAIM(applying_a_block_again_gives_the_same_words),
        CLAIM(a_block_without_its_mark_is_ignored),
        CLAIM(a_mark_that_was_never_stored_is_ignored),
        CLAIM(entries_that_fit_no_region_are_passed_over),
        CLAIM(ranges_come_first_and_words_after),
        CLAIM(a_killed_turn_hands_its_ranges_on),
        CLAIM(only_so_many_ranges_wait),
        CLAIM(a_block_holds_all_that_has_room_allows),
        CLAIM(a_table_that_moved_is_added_again),
        CLAIM(a_reader_never_sees_half_a_turn),
        CLAIM(a_random_life_agrees_with_a_plain_array),
    };

    return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}
