/* SPDX-License-Identifier: MIT */
/*
 * Losses of the slow side become receipts. Both sides are played by hand here:
 * tell() is what the fast side does when it writes receipts, and the agent may
 * be killed between any two steps. What was lost must be told once: not never,
 * not twice, under its own range while the table has room, and jointly when it
 * has not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_store.h"

static struct store store;

/* What receipts have said so far. */
static struct lb_receipt receipt[256];
static unsigned receipts;

static int begin(void **state)
{
    (void)state;
    receipts = 0;
    store_begin(&store, 65536, 0, 0);
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

/* The service lost routine numbers first..last, one line each; 0: none. Urgent ones likewise. */
static void lose(const char *service, uint64_t reason, uint64_t first, uint64_t last, uint64_t urgent_first,
                 uint64_t urgent_last)
{
    struct lb_receipt lost = { .reason = reason, .name_len = strlen(service) };

    lost.lines = (first ? last - first + 1 : 0) + (urgent_first ? urgent_last - urgent_first + 1 : 0);
    lost.bytes = 10 * lost.lines;
    lost.by_severity[6] = lost.lines;
    lost.first_ns = 1000 + first;
    lost.last_ns = 1000 + last;
    lost.range[LB_LANE_ROUTINE][0] = first;
    lost.range[LB_LANE_ROUTINE][1] = last;
    lost.range[LB_LANE_URGENT][0] = urgent_first;
    lost.range[LB_LANE_URGENT][1] = urgent_last;
    memcpy(lost.name, service, lost.name_len);
    lb_loss_add(&store.state, &lost);
}

static void shed(const char *service, uint64_t first, uint64_t last)
{
    lose(service, LB_REASON_SHED, first, last, 0, 0);
}

/* The fast side: a receipt for each row that waits. */
static unsigned tell(void)
{
    unsigned row = 0, before = receipts;

    while (lb_loss_next(&store.state, &row, &receipt[receipts])) {
        lb_loss_told(&store.state, row);
        receipts++;
    }
    lb_commit_publish(&store.state.fast);
    return receipts - before;
}

static unsigned release(void)
{
    unsigned waiting;

    lb_loss_sweep(&store.state);
    waiting = lb_loss_release(&store.state);
    publish_slow();
    return waiting;
}

static unsigned used_rows(void)
{
    unsigned used = 0;

    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++)
        used += lb_commit_get(&store.state.slow, LB_SLOW_LOSS, row * LB_LOSS_WORDS + LB_LOSS_STATE) !=
                LB_LOSS_FREE;
    return used;
}

/* Receipts as "name first-last xLINES " in the order told. */
static const char *told(void)
{
    static char text[4096];
    size_t len = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < receipts; i++)
        len += (size_t)snprintf(
            text + len, sizeof text - len, "%.*s %llu-%llu x%llu ", (int)receipt[i].name_len,
            (const char *)receipt[i].name, (unsigned long long)receipt[i].range[1][0],
            (unsigned long long)receipt[i].range[1][1], (unsigned long long)receipt[i].lines);
    return text;
}

static void all_is_released_and_told(void)
{
    for (int turns = 0; turns < 10 && release() > 0; turns++)
        tell();
    assert_int_equal(used_rows(), 0);
}

/* ---- one loss ---- */

static void a_loss_is_told_when_the_sink_is_back_and_then_its_row_is_free(void **state)
{
    (void)state;
    lose("web", LB_REASON_SHED, 5, 9, 2, 3);
    publish_slow();
    assert_int_equal(tell(), 0); /* not released yet */
    assert_int_equal(release(), 1);
    assert_int_equal(tell(), 1);
    assert_int_equal(tell(), 0);
    assert_int_equal(release(), 0);
    assert_int_equal(used_rows(), 0);
    assert_string_equal(told(), "web 5-9 x7 ");
    assert_int_equal(receipt[0].range[0][0], 2);
    assert_int_equal(receipt[0].range[0][1], 3);
    assert_int_equal(receipt[0].reason, LB_REASON_SHED);
    assert_int_equal(receipt[0].bytes, 70);
    assert_int_equal(receipt[0].by_severity[6], 7);
    assert_int_equal(receipt[0].first_ns, 1005);
    assert_int_equal(receipt[0].last_ns, 1009);
}

static void a_loss_is_told_once_whenever_the_agent_is_killed(void **state)
{
    (void)state;
    /* kill: 0 before the loss is published, 1 after, 2 after the release, 3 before the told is, 4 after it, 5
     * never */
    for (int kill = 0; kill <= 5; kill++) {
        receipts = 0;
        shed("web", 1, 3);
        if (kill == 0) {
            store_restart(&store); /* the record's state was not published either: it will be shed again */
            shed("web", 1, 3);
        }
        publish_slow();
        if (kill == 1)
            store_restart(&store);
        release();
        if (kill == 2)
            store_restart(&store);
        if (kill == 3) {
            unsigned row = 0;

            assert_true(lb_loss_next(&store.state, &row, &receipt[0])); /* put, but never published */
            lb_loss_told(&store.state, row);
            store_restart(&store);
        }
        tell();
        if (kill == 4)
            store_restart(&store);
        tell();
        all_is_released_and_told();
        tell();
        assert_string_equal(told(), "web 1-3 x3 ");
    }
}

static void a_receipt_that_was_lost_is_told_again_as_it_was(void **state)
{
    (void)state;
    shed("web", 1, 3);
    all_is_released_and_told();
    lb_loss_return(&store.state, &receipt[0]);
    shed("web", 8, 8); /* a new loss of the same service does not join it */
    publish_slow();
    store_restart(&store);
    all_is_released_and_told();
    assert_string_equal(told(), "web 1-3 x3 web 1-3 x3 web 8-8 x1 ");
}

/* ---- groups ---- */

static void what_follows_without_a_gap_joins_by_service(void **state)
{
    (void)state;
    shed("web", 1, 4); /* the stretch is of both */
    shed("db", 1, 4);
    shed("web", 5, 6);
    publish_slow();
    all_is_released_and_told();
    assert_string_equal(told(), "web 1-6 x6 db 1-6 x4 "); /* each tells the whole range */
}

static void a_gap_on_either_side_closes_the_group(void **state)
{
    (void)state;
    shed("web", 10, 12);
    shed("web", 14, 15); /* 13 was delivered */
    shed("web", 3, 4);   /* in flight for long, shed late */
    shed("web", 5, 5);
    publish_slow();
    all_is_released_and_told();
    assert_string_equal(told(), "web 10-12 x3 web 14-15 x2 web 3-5 x3 ");
}

static void a_gap_in_one_lane_is_enough(void **state)
{
    (void)state;
    lose("web", LB_REASON_SHED, 1, 2, 7, 7);
    lose("web", LB_REASON_SHED, 3, 3, 0, 0);
    lose("web", LB_REASON_SHED, 4, 4, 9, 9);
    publish_slow();
    all_is_released_and_told();
    assert_string_equal(told(), "web 1-3 x4 web 4-4 x2 ");
    assert_int_equal(receipt[0].range[0][1], 7);
    assert_int_equal(receipt[1].range[0][0], 9);
}

static void reasons_do_not_mix(void **state)
{
    (void)state;
    lose("web", LB_REASON_SHED, 1, 2, 0, 0);
    lose("web", LB_REASON_REJECTED, 3, 3, 0, 0);
    lose("web", LB_REASON_SHED, 4, 4, 0, 0);
    publish_slow();
    all_is_released_and_told();
    assert_string_equal(told(), "web 1-2 x2 web 3-3 x1 web 4-4 x1 ");
}

static void what_is_lost_while_rows_are_told_makes_rows_of_its_own(void **state)
{
    (void)state;
    shed("web", 1, 2);
    publish_slow();
    release();
    shed("web", 3, 4);
    publish_slow();
    assert_int_equal(tell(), 1);
    all_is_released_and_told();
    assert_string_equal(told(), "web 1-2 x2 web 3-4 x2 ");
}

/* ---- a full table ---- */

static void a_full_table_joins_and_loses_nothing(void **state)
{
    uint64_t lines = 0;
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 3 * LB_LOSS_SLOTS; i++) {
        snprintf(name, sizeof name, "service%u", i);
        shed(name, 10 * i + 1, 10 * i + 2);
        publish_slow();
        if (i % 20 == 0)
            store_restart(&store);
    }
    assert_int_equal(used_rows(), LB_LOSS_SLOTS);
    all_is_released_and_told();
    for (unsigned i = 0; i < receipts; i++)
        lines += receipt[i].lines;
    assert_int_equal(lines, 6 * LB_LOSS_SLOTS);
    assert_int_equal(receipts, LB_LOSS_SLOTS);
    assert_int_equal(receipt[0].name_len, 8);
    assert_int_equal(receipt[LB_LOSS_SLOTS - 1].name_len, 0); /* it speaks of several */
}

static void a_row_that_is_being_told_does_not_change(void **state)
{
    struct lb_receipt seen;
    uint64_t lines = 0;
    unsigned row = 0;

    (void)state;
    for (unsigned i = 0; i < LB_LOSS_SLOTS; i++) {
        shed("web", 10 * i + 1, 10 * i + 2);
        publish_slow();
    }
    assert_int_equal(release(), LB_LOSS_SLOTS);
    /* The fast side has copied the first row, and writes its receipt; meanwhile more is lost, and released.
     */
    assert_true(lb_loss_next(&store.state, &row, &seen));
    for (unsigned i = 0; i < 5; i++) {
        lose("db", i % 2 ? LB_REASON_SHED : LB_REASON_REJECTED, 1000 + 10 * i, 1000 + 10 * i, 0, 0);
        release();
    }
    lb_loss_told(&store.state, row);
    receipt[receipts++] = seen;
    lb_commit_publish(&store.state.fast);
    for (int turns = 0; turns < 5; turns++) {
        tell();
        release();
    }
    assert_int_equal(used_rows(), 0);
    for (unsigned i = 0; i < receipts; i++)
        lines += receipt[i].lines;
    assert_int_equal(lines, 2 * LB_LOSS_SLOTS + 5);
}

/* ---- any order of things ---- */

static void at_random_each_line_is_told_once(void **state)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    uint64_t next = 1, lost = 0, lost_published = 0, lines = 0;

    (void)state;
    random_begin();
    for (int step = 0; step < 20000; step++) {
        uint64_t dice = random_below(100), count = 1 + random_below(3);

        if (receipts > 200) {
            for (unsigned i = 0; i < receipts; i++)
                lines += receipt[i].lines;
            receipts = 0;
        }
        if (dice < 40) {
            next += random_below(3);
            lose(names[random_below(4)], random_below(2) ? LB_REASON_SHED : LB_REASON_REJECTED, next,
                 next + count - 1, 0, 0);
            next += count;
            lost += count;
        } else if (dice < 70) {
            publish_slow();
            lost_published = lost;
        } else if (dice < 80) {
            release();
            lost_published = lost;
        } else if (dice < 95) {
            unsigned row = 0;

            if (lb_loss_next(&store.state, &row, &receipt[receipts])) {
                lb_loss_told(&store.state, row);
                lb_commit_publish(&store.state.fast);
                receipts++;
            }
        } else if (dice < 98) {
            lb_loss_sweep(&store.state);
        } else {
            store_restart(&store);
            lost = lost_published;
        }
        if (!lb_commit_has_room(&store.state.slow, LB_LOSS_SLOTS * LB_LOSS_WORDS)) {
            publish_slow();
            lost_published = lost;
        }
    }
    publish_slow();
    all_is_released_and_told();
    for (unsigned i = 0; i < receipts; i++)
        lines += receipt[i].lines;
    assert_int_equal(lines, lost);
    assert_true(lost > 1000);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_loss_is_told_when_the_sink_is_back_and_then_its_row_is_free),
        CLAIM(a_loss_is_told_once_whenever_the_agent_is_killed),
        CLAIM(a_receipt_that_was_lost_is_told_again_as_it_was),
        CLAIM(what_follows_without_a_gap_joins_by_service),
        CLAIM(a_gap_on_either_side_closes_the_group),
        CLAIM(a_gap_in_one_lane_is_enough),
        CLAIM(reasons_do_not_mix),
        CLAIM(what_is_lost_while_rows_are_told_makes_rows_of_its_own),
        CLAIM(a_full_table_joins_and_loses_nothing),
        CLAIM(a_row_that_is_being_told_does_not_change),
        CLAIM(at_random_each_line_is_told_once),
    };

    return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
