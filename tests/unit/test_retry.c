/* SPDX-License-Identifier: MIT */
/* Backoff: the ceiling doubles to the cap, anything below it may come, and devices do not agree on when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/ship/retry.h"
#include "tests/unit/lib_store.h"

#define ROUNDS 2000

/* The wait after so many failures in a row, with this seed. */
static uint64_t wait_after(uint32_t failures, uint64_t min_ms, uint64_t max_ms, uint64_t seed)
{
    struct lb_retry retry;
    uint64_t wait = 0;

    lb_retry_init(&retry, min_ms, max_ms, seed);
    while (failures-- > 0)
        wait = lb_retry_failed(&retry);
    return wait;
}

static void the_wait_is_anywhere_between_floor_and_a_ceiling_that_doubles(void **state)
{
    (void)state;
    random_begin();
    for (uint32_t failures = 1; failures <= 12; failures++) {
        uint64_t ceiling = 1000ull << (failures - 1), least = UINT64_MAX, most = 0;

        if (ceiling > 300000)
            ceiling = 300000;
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t wait = wait_after(failures, 1000, 300000, random_next());

            assert_in_range(wait, LB_RETRY_FLOOR_MS, ceiling);
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
        }
        assert_true(most > ceiling / 100 * 95);
        assert_true(least < ceiling / 20 + LB_RETRY_FLOOR_MS);
    }
}

/* Also at the cap, and for seeds that lie side by side. */
static void a_fleet_that_failed_together_does_not_come_back_together(void **state)
{
    unsigned bucket[10] = { 0 };

    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++)
        bucket[wait_after(1, 300000, 300000, seed) * 10 / 300001]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(bucket[i], ROUNDS / 10 / 2, ROUNDS / 10 * 2);
}

static void many_failures_stay_at_the_cap(void **state)
{
    struct lb_retry retry;
    int is_high = 0;

    (void)state;
    lb_retry_init(&retry, 10, 86400000, 7);
    for (int i = 0; i < 5000; i++) {
        uint64_t wait = lb_retry_failed(&retry);

        assert_in_range(wait, LB_RETRY_FLOOR_MS, 86400000);
        is_high |= wait > 43200000;
    }
    assert_true(is_high);
    retry.failures = UINT32_MAX;
    lb_retry_failed(&retry);
    assert_int_equal(retry.failures, UINT32_MAX);
}

static void a_success_begins_anew(void **state)
{
    struct lb_retry retry;

    (void)state;
    lb_retry_init(&retry, 1000, 300000, 3);
    for (int i = 0; i < 20; i++)
        lb_retry_failed(&retry);
    lb_retry_succeeded(&retry);
    for (int i = 0; i < 100; i++) {
        assert_in_range(lb_retry_failed(&retry), LB_RETRY_FLOOR_MS, 1000);
        lb_retry_succeeded(&retry);
    }
}

static void the_floor_holds_below_the_least_settings(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++)
        assert_int_equal(wait_after(9, 10, 10, seed), LB_RETRY_FLOOR_MS);
}

static void settings_beyond_all_bounds_end_no_loop_late_and_wrap_nowhere(void **state)
{
    struct lb_retry retry;

    (void)state;
    lb_retry_init(&retry, 0, UINT64_MAX - 1, 3);
    retry.failures = UINT32_MAX;
    assert_true(lb_retry_failed(&retry) >= LB_RETRY_FLOOR_MS);
    lb_retry_init(&retry, 1, UINT64_MAX - 1, 3);
    retry.failures = 1000;
    assert_true(lb_retry_failed(&retry) > UINT32_MAX);
}

static void a_random_number_is_below_its_bound(void **state)
{
    struct lb_retry retry;

    (void)state;
    lb_retry_init(&retry, 1, 1, 0);
    assert_int_equal(lb_retry_random(&retry, 0), 0);
    assert_int_equal(lb_retry_random(&retry, 1), 0);
    for (int i = 0; i < ROUNDS; i++)
        assert_true(lb_retry_random(&retry, 7) < 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_is_anywhere_between_floor_and_a_ceiling_that_doubles),
        cmocka_unit_test(a_fleet_that_failed_together_does_not_come_back_together),
        cmocka_unit_test(many_failures_stay_at_the_cap),
        cmocka_unit_test(a_success_begins_anew),
        cmocka_unit_test(the_floor_holds_below_the_least_settings),
        cmocka_unit_test(settings_beyond_all_bounds_end_no_loop_late_and_wrap_nowhere),
        cmocka_unit_test(a_random_number_is_below_its_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
