/* SPDX-License-Identifier: MIT */
/* Backoff. In: failures and successes. Out: milliseconds to wait. No clock, no allocation. */
#include "agent/ship/retry.h"

void lb_retry_init(struct lb_retry *retry, uint64_t min_ms, uint64_t max_ms, uint64_t seed)
{
    *retry = (struct lb_retry) { .min_ms = min_ms, .max_ms = max_ms, .random = seed ? seed : 1 };
}

/* xorshift64*: small, and good enough to spread devices over minutes. */
static uint64_t next_random(struct lb_retry *retry)
{
    uint64_t x = retry->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    retry->random = x;
    return x * 2685821657736338717ull;
}

uint64_t lb_retry_random(struct lb_retry *retry, uint64_t bound)
{
    return bound ? (next_random(retry) >> 11) % bound : 0;
}

uint64_t lb_retry_failed(struct lb_retry *retry)
{
    uint64_t ceiling = retry->min_ms ? retry->min_ms : 1, wait;

    for (uint32_t i = 0; i < retry->failures && ceiling < retry->max_ms; i++)
        ceiling = ceiling <= retry->max_ms / 2 ? ceiling * 2 : retry->max_ms;
    if (ceiling > retry->max_ms)
        ceiling = retry->max_ms;
    if (retry->failures < UINT32_MAX)
        retry->failures++;
    wait = lb_retry_random(retry, ceiling + 1);
    if (wait < LB_RETRY_FLOOR_MS)
        wait = LB_RETRY_FLOOR_MS;
    return wait < retry->max_ms || retry->max_ms < LB_RETRY_FLOOR_MS ? wait : retry->max_ms;
}

void lb_retry_succeeded(struct lb_retry *retry)
{
    retry->failures = 0;
}
