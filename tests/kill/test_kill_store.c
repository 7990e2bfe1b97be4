/* SPDX-License-Identifier: MIT */
/*
 * A kill between every two stores. A child takes numbered lines from a pipe all
 * the way (lib_way.h) and is killed at the first place, then anew at the
 * second, and so on until a child comes through. After each kill the parent
 * starts on what is left, as the next agent would: nothing may be lost, nothing
 * may be there twice, the books must balance and each loss must be told once,
 * right after the start and when all has been worked off.
 *
 * Starting is a time to die too: the second test kills the next agent while it
 * recovers, at each of its places, and lets a third one finish. The third test
 * kills an agent that finds a damaged ring, and the last one kills at random,
 * with the two sides in threads of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/store/killpoint.h"
#include "tests/kill/lib_way.h"

#ifndef LB_KILLPOINTS
#error "needs -DLB_KILLPOINTS, or nobody dies"
#endif

static struct way way;

static int begin(void **state)
{
    (void)state;
    way_begin(&way);
    return 0;
}

static int end(void **state)
{
    (void)state;
    way_end(&way);
    return 0;
}

/* Start in a child, and live there, if it is to live. true: it was killed | false: it came through */
static bool is_killed(uint64_t kill_at, void (*live)(struct way *))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        lb_killpoint_arm(kill_at);
        way_start(&way);
        if (live)
            live(&way);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the child killed at %llu (again at %llu) ended with status %x",
                 (unsigned long long)way_kill_at, (unsigned long long)way_kill_again_at, status);
    return true;
}

/* The parent is the agent that comes through. */
static void go_on_to_the_end(void)
{
    way_start(&way);
    way_check_start(&way);
    way_live(&way);
    way_check_end(&way);
    store_kill(&way.store);
}

static void killed_at_any_place_the_next_agent_goes_on(void **state)
{
    bool was_killed = true;

    (void)state;
    way_kill_again_at = 0;
    for (way_kill_at = 1; was_killed; way_kill_at++) {
        way_fresh(&way);
        was_killed = is_killed(way_kill_at, way_live);
        go_on_to_the_end();
    }
    print_message("%llu places to die\n", (unsigned long long)way_kill_at - 2);
    assert_true(way_kill_at > 1000);
}

/* Every place of a recovery after a kill at some of the places; they differ by a prime, to meet all kinds. */
static void killed_while_it_starts_the_one_after_goes_on(void **state)
{
    uint64_t tried = 0;
    bool was_killed = true;

    (void)state;
    for (way_kill_at = 1; was_killed; way_kill_at += 23) {
        bool was_killed_again = true;

        for (way_kill_again_at = 1; was_killed_again; way_kill_again_at++) {
            way_fresh(&way);
            was_killed = is_killed(way_kill_at, way_live);
            was_killed_again = is_killed(way_kill_again_at, NULL);
            go_on_to_the_end();
            tried++;
        }
    }
    print_message("%llu pairs of places to die\n", (unsigned long long)tried);
}

/*
 * With a thread for each side one of them goes on for a moment while the other is in the middle of something;
 * where the first stands when it dies with it, nobody can choose.
 */
static void killed_with_both_sides_at_work_the_next_agent_goes_on(void **state)
{
    unsigned deaths = 0;

    (void)state;
    random_begin();
    way_kill_again_at = 0;
    for (unsigned i = 0; i < 800; i++) {
        way_fresh(&way);
        way_kill_at = 1 + random_below(1800);
        deaths += is_killed(way_kill_at, way_live_apart);
        go_on_to_the_end();
    }
    print_message("%u deaths\n", deaths);
    assert_true(deaths > 400);
}

/* ---- damage ---- */

enum { DAMAGED_LINES = 40 };

static bool is_damaged(unsigned n)
{
    return n == 1 || n == 7 || n == 8 || n % 13 == 0 || n == DAMAGED_LINES;
}

/* Forty lines in the ring, some of them damaged. */
static void damage_ring(void)
{
    uint64_t pos;

    way_fresh(&way);
    way_start(&way);
    store_put_lines(&way.store, LB_LANE_ROUTINE, DAMAGED_LINES);
    pos = lb_ring_tail(&way.store.ring);
    for (unsigned n = 1; n <= DAMAGED_LINES; n++) {
        uint64_t next = pos + store_at(&way.store, pos)->len;

        if (is_damaged(n))
            store_at(&way.store, pos)->pid ^= 1;
        pos = next;
    }
    store_kill(&way.store);
}

/* Each damaged number is in one row of the loss table, once, and the others are in none. */
static void check_told(void)
{
    uint8_t told[DAMAGED_LINES + 2] = { 0 };

    way_start(&way);
    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++) {
        const uint64_t *words = &way.store.state.file->loss[row * LB_LOSS_WORDS];
        struct lb_receipt lost;

        memcpy(&lost, &words[LB_LOSS_RECEIPT], sizeof lost);
        for (uint64_t n = lost.range[1][0];
             words[LB_LOSS_STATE] != LB_LOSS_FREE && n > 0 && n <= lost.range[1][1]; n++)
            told[n]++;
    }
    for (unsigned n = 1; n <= DAMAGED_LINES + 1; n++)
        if (told[n] != (n <= DAMAGED_LINES && is_damaged(n)))
            fail_msg("killed at %llu: number %u is told %u times", (unsigned long long)way_kill_again_at, n,
                     told[n]);
    store_kill(&way.store);
}

static void killed_while_it_mends_each_loss_is_told_once(void **state)
{
    bool was_killed = true;

    (void)state;
    way_kill_at = 0;
    for (way_kill_again_at = 1; was_killed; way_kill_again_at++) {
        damage_ring();
        was_killed = is_killed(way_kill_again_at, NULL);
        check_told();
    }
    print_message("%llu places to die\n", (unsigned long long)way_kill_again_at - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_any_place_the_next_agent_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(killed_while_it_starts_the_one_after_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(killed_while_it_mends_each_loss_is_told_once, begin, end),
        cmocka_unit_test_setup_teardown(killed_with_both_sides_at_work_the_next_agent_goes_on, begin, end),
    };

    return cmocka_run_group_tests_name("kill_store", tests, NULL, NULL);
}
