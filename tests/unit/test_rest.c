/* SPDX-License-Identifier: MIT */
/*
 * Resting: which writers let the pipes rest, and what a rest may cost them. The clock is simulated: a writer
 * writes at given times, a reader looks when an event or the end of a rest makes it, and all that is in the
 * pipe is read at a look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/capture/rest.h"

#define MS         1000000ull
#define START_NS   (1000 * MS) /* the boot clock is not at its beginning */
#define PIPE_BYTES 65536u

/* A writer of even writes, and what became of it. */
struct run {
    uint64_t looks;       /* that found something */
    uint64_t empty_looks; /* at the end of a rest in which nothing came */
    uint64_t rests;
    uint64_t longest_ns; /* from a write to its look */
    uint64_t full_ns;    /* the pipe was full for so long, all in all */
};

/* Lets a writer write count times, each write_bytes, every_ns apart. */
static struct run run(uint64_t count, uint64_t every_ns, uint64_t write_bytes, uint64_t pipe_bytes)
{
    struct lb_rest rest = { 0 };
    struct lb_pace pace = { 0 };
    struct run done = { 0 };
    uint64_t held = 0, oldest_ns = 0, look_ns = UINT64_MAX, full_since_ns = 0;

    for (uint64_t i = 0; i < count || held > 0 || rest.is_resting;) {
        uint64_t write_ns = i < count ? START_NS + i * every_ns : UINT64_MAX;

        if (write_ns < look_ns && held + write_bytes > pipe_bytes && rest.is_resting) {
            if (!full_since_ns)
                full_since_ns = write_ns;
            write_ns = UINT64_MAX; /* the writer waits for the reader */
        }
        if (write_ns < look_ns) {
            oldest_ns = held ? oldest_ns : write_ns;
            held += write_bytes;
            i++;
            if (!rest.is_resting)
                look_ns = write_ns + 1000; /* the event wakes the reader */
            continue;
        }
        done.full_ns += full_since_ns ? look_ns - full_since_ns : 0;
        full_since_ns = 0;
        if (held == 0) {
            done.empty_looks++;
            lb_rest_ends(&rest);
            look_ns = UINT64_MAX;
            continue;
        }
        if (look_ns - oldest_ns > done.longest_ns)
            done.longest_ns = look_ns - oldest_ns;
        done.looks++;
        lb_rest_took(&rest, &pace, held, pipe_bytes, look_ns);
        held = 0;
        done.rests += lb_rest_begins(&rest, look_ns);
        look_ns = rest.is_resting ? look_ns + LB_REST_NS : UINT64_MAX;
    }
    return done;
}

static void lines_every_ten_ms_are_read_together(void **state)
{
    (void)state;
    struct run done = run(/* lines of a minute */ 6000, 10 * MS, 100, PIPE_BYTES);

    assert_in_range(done.looks, 1000, 2400); /* forty a second at most */
    assert_true(done.longest_ns <= LB_REST_NS);
    assert_int_equal(done.empty_looks, 1); /* the one that finds out that the writer has stopped */
}

static void lines_now_and_then_are_read_when_they_come(void **state)
{
    (void)state;
    static const uint64_t every_ms[] = { 40, 100, 1000, 60000 };

    for (size_t i = 0; i < sizeof every_ms / sizeof every_ms[0]; i++) {
        struct run done = run(200, every_ms[i] * MS, 100, PIPE_BYTES);

        assert_int_equal(done.looks, 200);
        assert_int_equal(done.rests, 0); /* it would be a wake-up for nothing */
        assert_int_equal(done.longest_ns, 1000);
    }
}

static void the_first_line_never_waits(void **state)
{
    (void)state;
    struct lb_rest rest = { 0 };
    struct lb_pace pace = { 0 };

    lb_rest_took(&rest, &pace, 100, PIPE_BYTES, START_NS);
    assert_false(lb_rest_begins(&rest, START_NS));
    assert_true(lb_rest_begins(&rest, START_NS + MS));
}

static void a_firehose_never_rests_however_little_each_look_finds(void **state)
{
    (void)state;
    /* 4 KiB every 40 us: a quick reader finds one write at each look. */
    struct run done = run(100000, 40000, 4096, 4 * PIPE_BYTES);

    assert_true(done.looks > 90000);
    assert_in_range(done.rests, 0, 1); /* one at the very beginning, before its pace is known */
    assert_true(done.full_ns <= LB_REST_NS);
}

static void what_fills_a_pipe_is_then_read_without_a_rest(void **state)
{
    (void)state;
    struct lb_rest rest = { 0 };
    struct lb_pace pace = { 0 };
    uint64_t now_ns = START_NS;

    for (int i = 0; i < 10; i++, now_ns += LB_REST_NS) {
        lb_rest_took(&rest, &pace, 300, PIPE_BYTES, now_ns);
        assert_true(lb_rest_begins(&rest, now_ns) || i == 0);
    }
    lb_rest_took(&rest, &pace, PIPE_BYTES, PIPE_BYTES, now_ns); /* a burst came in the rest */
    assert_false(lb_rest_begins(&rest, now_ns));
    for (uint64_t i = 1; i < 200; i++) { /* and goes on, in whatever pieces */
        bool is_resting;

        lb_rest_took(&rest, &pace, 100, PIPE_BYTES, now_ns + i * MS);
        is_resting = lb_rest_begins(&rest, now_ns + i * MS);
        if (i * MS < LB_REST_BUSY_NS)
            assert_false(is_resting);
        else if (i * MS > LB_REST_BUSY_NS + LB_REST_NS)
            assert_true(is_resting); /* it is over */
    }
}

static void a_small_pipe_is_full_sooner(void **state)
{
    (void)state;
    uint64_t every_ns = 2 * MS; /* 100 bytes each: 1600 in a rest */

    assert_true(run(1000, every_ns, 100, 8192).rests > 50);
    assert_in_range(run(1000, every_ns, 100, 4096).rests, 0, 2);
    assert_in_range(run(1000, every_ns, 100, 0).rests, 0, 0); /* where nothing may wait there is none */
}

static void a_rest_is_over_where_something_else_matters_more(void **state)
{
    (void)state;
    struct lb_rest rest = { .look_ns = START_NS, .is_resting = true };

    lb_rest_ends(&rest);
    assert_false(rest.is_resting);
    assert_false(lb_rest_begins(&rest, START_NS + LB_REST_NS + 1)); /* and must be earned anew */
    assert_true(lb_rest_begins(&rest, START_NS + LB_REST_NS + 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_every_ten_ms_are_read_together),
        cmocka_unit_test(lines_now_and_then_are_read_when_they_come),
        cmocka_unit_test(the_first_line_never_waits),
        cmocka_unit_test(a_firehose_never_rests_however_little_each_look_finds),
        cmocka_unit_test(what_fills_a_pipe_is_then_read_without_a_rest),
        cmocka_unit_test(a_small_pipe_is_full_sooner),
        cmocka_unit_test(a_rest_is_over_where_something_else_matters_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
