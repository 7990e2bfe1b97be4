/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_RETRY_H
#define LB_SHIP_RETRY_H

#include <stdint.h>

/*
 * When to try again: exponential backoff with full jitter, also at the cap, so
 * that a fleet that failed together does not come back together
 * (facts/sinks.md section 11). The clock and the seed are the caller's.
 */
#define LB_RETRY_FLOOR_MS 100 /* jitter may say "at once"; a sink that just failed gets this much rest */

struct lb_retry {
    uint64_t min_ms;
    uint64_t max_ms;
    uint32_t failures; /* in a row */
    uint64_t random;   /* state of the generator, never 0 */
};

/*
 * Start without failures.
 *   seed      from getrandom() or, in tests, fixed
 *   calls     slow side
 */
void lb_retry_init(struct lb_retry *retry, uint64_t min_ms, uint64_t max_ms, uint64_t seed);

/*
 * Note a failure.
 *   returns   how long to wait before the next try, LB_RETRY_FLOOR_MS..max_ms
 *   calls     slow side
 */
uint64_t lb_retry_failed(struct lb_retry *retry);

/*
 * Note a success: the next failure starts from min_ms.
 *   calls     slow side
 */
void lb_retry_succeeded(struct lb_retry *retry);

/*
 * A random number below a bound, from the same generator (start-up splay).
 *   returns   0..bound-1, 0 for bound 0
 */
uint64_t lb_retry_random(struct lb_retry *retry, uint64_t bound);

#endif
