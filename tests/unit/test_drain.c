/* SPDX-License-Identifier: MIT */
/*
 * The client's buffer: what the agent committed is forgotten, what it may have
 * is kept, the rest is bounded; positions and losses are exact. First by hand,
 * then at random against a model that keeps every byte in one flat array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/drain.h"

#define BOUND      (2u * LB_PROTO_DATA_WINDOW)
#define LINE_BYTES 64u

static struct lb_drain *drain_of(size_t bound_bytes)
{
    struct lb_drain *drain = NULL;

    assert_int_equal(lb_drain_open(bound_bytes, &drain), 0);
    return drain;
}

static void add_text(struct lb_drain *drain, const char *text, uint64_t boot_ns)
{
    assert_int_equal(lb_drain_add(drain, text, strlen(text), boot_ns), 0);
}

/* One whole DATA of numbered lines of LINE_BYTES bytes. */
static void add_lines(struct lb_drain *drain, unsigned *number)
{
    char text[LB_PROTO_DATA_MAX + 1];

    for (size_t at = 0; at < LB_PROTO_DATA_MAX; at += LINE_BYTES)
        snprintf(text + at, LINE_BYTES + 1, "%063u\n", (*number)++);
    assert_int_equal(lb_drain_add(drain, text, LB_PROTO_DATA_MAX, 1), 0);
}

static void assert_next(const struct lb_drain *drain, uint64_t first_byte, const char *text)
{
    struct lb_drain_piece piece;

    assert_true(lb_drain_next(drain, &piece));
    assert_int_equal(piece.first_byte, first_byte);
    assert_int_equal(piece.len, strlen(text));
    assert_memory_equal(piece.bytes, text, piece.len);
}

static void a_bound_below_two_windows_is_refused(void **state)
{
    struct lb_drain *drain = NULL;

    (void)state;
    assert_int_equal(lb_drain_open(BOUND - 1, &drain), -22);
    assert_null(drain);
    lb_drain_close(NULL);
}

static void pieces_come_as_they_were_added_with_their_stamps(void **state)
{
    struct lb_drain *drain = drain_of(BOUND);
    struct lb_drain_piece piece;

    (void)state;
    assert_true(lb_drain_is_empty(drain));
    assert_false(lb_drain_next(drain, &piece));
    add_text(drain, "one\ntw", 11);
    add_text(drain, "o\n", 22);
    lb_drain_welcome(drain, 0);
    assert_true(lb_drain_next(drain, &piece));
    assert_int_equal(piece.boot_ns, 11);
    assert_next(drain, 0, "one\ntw");
    lb_drain_sent(drain);
    assert_true(lb_drain_next(drain, &piece));
    assert_int_equal(piece.boot_ns, 22);
    assert_int_equal(piece.lost_bytes, 0);
    assert_next(drain, 6, "o\n");
    lb_drain_sent(drain);
    assert_true(lb_drain_is_sent(drain));
    assert_false(lb_drain_is_empty(drain));
    lb_drain_taken(drain, 8);
    assert_true(lb_drain_is_empty(drain));
    lb_drain_close(drain);
}

static void after_half_a_piece_was_taken_the_next_welcome_goes_on_in_its_middle(void **state)
{
    struct lb_drain *drain = drain_of(BOUND);

    (void)state;
    add_text(drain, "abcdef", 1);
    add_text(drain, "ghi", 2);
    lb_drain_welcome(drain, 100);
    assert_next(drain, 100, "abcdef");
    lb_drain_sent(drain);
    lb_drain_taken(drain, 102);
    lb_drain_taken(drain, 101); /* older: ignored */
    assert_next(drain, 106, "ghi");
    lb_drain_sent(drain);
    lb_drain_welcome(drain, 104); /* committed, but its TAKEN was never sent */
    assert_next(drain, 104, "ef");
    lb_drain_close(drain);
}

static void an_agent_that_lost_its_memory_and_one_that_claims_too_much_are_met(void **state)
{
    struct lb_drain *drain = drain_of(BOUND);

    (void)state;
    add_text(drain, "abc", 1);
    lb_drain_welcome(drain, 500);
    lb_drain_sent(drain);
    add_text(drain, "def", 2);
    lb_drain_welcome(drain, 0);
    assert_next(drain, 0, "abc");
    lb_drain_sent(drain);
    lb_drain_welcome(drain, 1000); /* only "abc" was sent */
    assert_next(drain, 1000, "def");
    lb_drain_close(drain);
}

static void no_more_than_the_window_is_under_way(void **state)
{
    struct lb_drain *drain = drain_of(BOUND);
    struct lb_drain_piece piece;
    unsigned number = 0;
    size_t sent_bytes = 0;

    (void)state;
    for (int i = 0; i < 6; i++)
        add_lines(drain, &number);
    lb_drain_welcome(drain, 0);
    for (; lb_drain_next(drain, &piece); sent_bytes += piece.len)
        lb_drain_sent(drain);
    assert_int_equal(sent_bytes, LB_PROTO_DATA_WINDOW);
    assert_false(lb_drain_is_sent(drain));
    lb_drain_taken(drain, 1);
    assert_false(lb_drain_next(drain, &piece));
    lb_drain_taken(drain, LB_PROTO_DATA_MAX);
    assert_true(lb_drain_next(drain, &piece));
    assert_int_equal(piece.first_byte, LB_PROTO_DATA_WINDOW);
    lb_drain_close(drain);
}

static void what_was_sent_is_kept_and_the_oldest_behind_it_is_lost(void **state)
{
    struct lb_drain *drain = drain_of(BOUND);
    struct lb_drain_count kept, lost;
    struct lb_drain_piece piece;
    unsigned number = 0;

    (void)state;
    add_lines(drain, &number);
    lb_drain_welcome(drain, 0);
    lb_drain_sent(drain);
    for (int i = 0; i < 20; i++)
        add_lines(drain, &number);
    lb_drain_count(drain, &kept, &lost);
    assert_int_equal(kept.lines + lost.lines, number);
    assert_int_equal(kept.bytes + lost.bytes, number * LINE_BYTES);
    assert_true(lost.lines > 0 && kept.bytes <= BOUND);
    lb_drain_welcome(drain, 10); /* the dead agent had committed ten bytes of what was sent */
    assert_true(lb_drain_next(drain, &piece));
    assert_int_equal(piece.first_byte, 10);
    assert_int_equal(piece.len, LB_PROTO_DATA_MAX - 10);
    assert_int_equal(piece.lost_bytes, 0);
    lb_drain_sent(drain);
    assert_true(lb_drain_next(drain, &piece));
    assert_int_equal(piece.first_byte, LB_PROTO_DATA_MAX);
    assert_int_equal(piece.lost_lines, lost.lines);
    assert_int_equal(piece.lost_bytes, lost.bytes);
    lb_drain_close(drain);
}

static void the_rest_of_a_lost_line_is_lost_with_it(void **state)
{
    struct lb_drain *drain = drain_of(BOUND);
    char text[LB_PROTO_DATA_MAX];
    struct lb_drain_piece piece;

    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(lb_drain_add(drain, text, sizeof text, 1), 0); /* begins a line ... */
    text[0] = '\n';                                                 /* ... that ends here */
    memset(text + 1, 'b', sizeof text - 1);
    text[sizeof text - 1] = '\n';
    for (size_t held = 2 * sizeof text; held <= BOUND; held += sizeof text) /* one too many */
        assert_int_equal(lb_drain_add(drain, text, sizeof text, 2), 0);
    assert_true(lb_drain_next(drain, &piece));
    assert_int_equal(piece.bytes[0], 'b');
    assert_true(piece.lost_lines >= 1);
    lb_drain_close(drain);
}

static void a_line_longer_than_the_buffer_loses_its_begin_only(void **state)
{
    struct lb_drain *drain = drain_of(BOUND);
    char text[LB_PROTO_DATA_MAX];
    struct lb_drain_count kept, lost;

    (void)state;
    memset(text, 'a', sizeof text);
    for (int i = 0; i < 100; i++)
        assert_int_equal(lb_drain_add(drain, text, sizeof text, 1), 0);
    lb_drain_count(drain, &kept, &lost);
    assert_int_equal(lost.lines, 0);
    assert_int_equal(kept.lines, 1);
    assert_int_equal(kept.bytes + lost.bytes, 100 * sizeof text);
    assert_true(kept.bytes > 0 && kept.bytes <= BOUND);
    lb_drain_close(drain);
}

/* ---- at random ---- */

#define MODEL_BYTES (4u << 20)

/* All that was ever added, and what became of it in the eyes of an agent with a memory. */
struct model {
    char *bytes;
    size_t added;
    size_t seen;    /* added bytes that the agent committed or was told to be lost */
    uint64_t taken; /* committed positions */
};

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void add_random(struct lb_drain *drain, struct model *model, uint64_t *seed)
{
    size_t len = 1 + next_random(seed) % LB_PROTO_DATA_MAX;
    uint32_t lf_every = 1 + next_random(seed) % 3000;

    if (model->added + len > MODEL_BYTES)
        return;
    for (size_t i = 0; i < len; i++)
        model->bytes[model->added + i] =
            (char)(next_random(seed) % lf_every == 0 ? '\n' : 'a' + next_random(seed) % 26);
    assert_int_equal(lb_drain_add(drain, model->bytes + model->added, len, model->added), 0);
    model->added += len;
}

/* The agent gets pieces until it dies or all is sent: each must be exactly what follows what it has seen. */
static void visit_agent(struct lb_drain *drain, struct model *model, uint64_t *seed)
{
    uint32_t pieces = next_random(seed) % 12;
    struct lb_drain_piece piece;

    lb_drain_welcome(drain, model->taken);
    for (; pieces > 0 && lb_drain_next(drain, &piece); pieces--) {
        uint64_t lost_lines = 0;
        size_t take = next_random(seed) % 4 == 0 ? next_random(seed) % (piece.len + 1) : piece.len;

        assert_int_equal(piece.first_byte, model->taken);
        assert_true(model->seen + piece.lost_bytes + piece.len <= model->added);
        for (size_t i = 0; i < piece.lost_bytes; i++)
            lost_lines += model->bytes[model->seen + i] == '\n';
        assert_int_equal(piece.lost_lines, lost_lines);
        if (piece.lost_bytes > 0) /* whole lines: no line here is so long that it fills the buffer */
            assert_int_equal(model->bytes[model->seen + piece.lost_bytes - 1], '\n');
        assert_memory_equal(piece.bytes, model->bytes + model->seen + piece.lost_bytes, piece.len);
        lb_drain_sent(drain);
        if (take > 0)
            model->seen += piece.lost_bytes + take;
        model->taken += take;
        if (next_random(seed) % 2 == 0)
            lb_drain_taken(drain, model->taken);
        if (take < piece.len)
            return; /* it died in mid-packet */
    }
}

static void whatever_happens_the_agent_sees_every_byte_once_or_its_loss(void **state)
{
    const char *given = getenv("LB_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20261;
    struct lb_drain_count kept, lost;

    (void)state;
    print_message("seed %llu (LB_SEED)\n", (unsigned long long)seed);
    for (int round = 0; round < 20; round++) {
        struct lb_drain *drain = drain_of(BOUND);
        struct model model = { .bytes = malloc(MODEL_BYTES) };

        assert_non_null(model.bytes);
        for (int step = 0; step < 400; step++) {
            if (next_random(&seed) % 3 != 0)
                add_random(drain, &model, &seed);
            else
                visit_agent(drain, &model, &seed);
            lb_drain_count(drain, &kept, &lost);
            assert_true(kept.bytes <= BOUND);
        }
        while (model.seen < model.added)
            visit_agent(drain, &model, &seed);
        lb_drain_welcome(drain, model.taken);
        assert_true(lb_drain_is_empty(drain));
        free(model.bytes);
        lb_drain_close(drain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_below_two_windows_is_refused),
        cmocka_unit_test(pieces_come_as_they_were_added_with_their_stamps),
        cmocka_unit_test(after_half_a_piece_was_taken_the_next_welcome_goes_on_in_its_middle),
        cmocka_unit_test(an_agent_that_lost_its_memory_and_one_that_claims_too_much_are_met),
        cmocka_unit_test(no_more_than_the_window_is_under_way),
        cmocka_unit_test(what_was_sent_is_kept_and_the_oldest_behind_it_is_lost),
        cmocka_unit_test(the_rest_of_a_lost_line_is_lost_with_it),
        cmocka_unit_test(a_line_longer_than_the_buffer_loses_its_begin_only),
        cmocka_unit_test(whatever_happens_the_agent_sees_every_byte_once_or_its_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
