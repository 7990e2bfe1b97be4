/* SPDX-License-Identifier: MIT */
/* Backoff and breaker. In: failures, successes, the time. Out: whether to send. No clock, no allocation. */
#include "agent/ship/retry.h"

#include "common/clock.h"

void lb_retry_init(struct lb_retry *retry, uint64_t min_ms, uint64_t max_ms, unsigned concurrency,
                   uint64_t seed)
{
    *retry = (struct lb_retry) {
        .min_ms = min_ms,
        .max_ms = max_ms,
        .concurrency = concurrency,
        .allowed = concurrency,
        .random = seed ? seed : 1,
    };
}

void lb_retry_change(struct lb_retry *retry, uint64_t min_ms, uint64_t max_ms)
{
    retry->min_ms = min_ms;
    retry->max_ms = max_ms;
    retry->failures = 0;
    retry->until_ns = 0;
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

/* The most that the next pause may be. */
static uint64_t ceiling_ms(const struct lb_retry *retry, enum lb_failure kind)
{
    uint64_t ceiling = retry->min_ms ? retry->min_ms : 1, max = retry->max_ms;
    uint32_t doublings = retry->failures;

    if (kind == LB_FAILURE_ANSWER)
        doublings += LB_RETRY_ANSWER_MORE;
    if (kind == LB_FAILURE_REFUSED) {
        doublings += LB_RETRY_REFUSED_MORE;
        max *= LB_RETRY_REFUSED_TIMES;
    }
    for (uint32_t i = 0; i < doublings && ceiling < max; i++)
        ceiling = ceiling <= max / 2 ? ceiling * 2 : max;
    return ceiling < max ? ceiling : max;
}

static uint64_t asked_pause_ms(struct lb_retry *retry, uint64_t asked_ms)
{
    uint64_t asked = asked_ms < retry->max_ms ? asked_ms : retry->max_ms;

    return asked + lb_retry_random(retry, asked / 10 + 1);
}

/* Somebody has to do something first, so it is never soon; but then it is the same for a whole fleet. */
static uint64_t refused_pause_ms(struct lb_retry *retry, uint64_t ceiling)
{
    return LB_RETRY_REFUSED_MS + ceiling / 2 + lb_retry_random(retry, ceiling / 2 + 1);
}

static uint64_t pause_ms(struct lb_retry *retry, enum lb_failure kind)
{
    uint64_t ceiling = ceiling_ms(retry, kind), wait;

    if (kind == LB_FAILURE_REFUSED)
        return refused_pause_ms(retry, ceiling);
    wait = lb_retry_random(retry, ceiling + 1);
    if (wait < LB_RETRY_FLOOR_MS)
        wait = LB_RETRY_FLOOR_MS < ceiling ? LB_RETRY_FLOOR_MS : ceiling;
    return wait;
}

uint64_t lb_retry_failed(struct lb_retry *retry, enum lb_failure kind, uint64_t asked_ms, uint64_t now_ns)
{
    uint64_t wait = pause_ms(retry, kind), asked = asked_ms ? asked_pause_ms(retry, asked_ms) : 0;

    if (retry->failures < LB_RETRY_FAILURES_MAX)
        retry->failures++;
    if (asked > wait)
        wait = asked;
    retry->may_hurry = kind == LB_FAILURE_NETWORK;
    retry->is_open = true;
    retry->allowed = 1;
    retry->until_ns = now_ns + wait * LB_NS_PER_MS;
    return wait;
}

void lb_retry_put_off(struct lb_retry *retry, uint64_t asked_ms, uint64_t now_ns)
{
    uint64_t until_ns = asked_ms ? now_ns + asked_pause_ms(retry, asked_ms) * LB_NS_PER_MS : 0;

    if (until_ns > retry->until_ns)
        retry->until_ns = until_ns;
}

/* After a long outage one more failure is not the longest pause again until tens of bodies were taken:
 * failures that lengthened no pause are forgotten first. */
static void forget_what_made_no_difference(struct lb_retry *retry)
{
    struct lb_retry one_less = *retry;

    while (retry->failures > 0) {
        one_less.failures = retry->failures - 1;
        if (ceiling_ms(&one_less, LB_FAILURE_NETWORK) < retry->max_ms)
            return;
        retry->failures--;
    }
}

void lb_retry_succeeded(struct lb_retry *retry)
{
    forget_what_made_no_difference(retry);
    retry->failures = retry->failures > LB_RETRY_RECOVERY ? retry->failures - LB_RETRY_RECOVERY : 0;
    if (retry->is_open)
        retry->allowed = 1;
    else if (retry->allowed < retry->concurrency)
        retry->allowed = retry->allowed * 2 < retry->concurrency ? retry->allowed * 2 : retry->concurrency;
    retry->is_open = retry->may_hurry = false;
    retry->hurried = 0;
    retry->until_ns = 0;
}

bool lb_retry_may_send(const struct lb_retry *retry, unsigned in_flight, uint64_t now_ns)
{
    if (now_ns < retry->until_ns)
        return false;
    return in_flight < (retry->is_open ? 1 : retry->allowed);
}

static uint64_t spread_ms(const struct lb_retry *retry)
{
    uint64_t spread = LB_RETRY_SPREAD_MS;

    for (uint32_t failures = retry->failures; failures < LB_RETRY_SPREAD_AT; failures++)
        spread /= 2;
    return spread;
}

bool lb_retry_hurry(struct lb_retry *retry, uint64_t now_ns)
{
    uint64_t settle_ms = (uint64_t)LB_RETRY_SETTLE_MS << retry->hurried, until_ns;

    if (!retry->may_hurry)
        return false;
    retry->may_hurry = false; /* a burst of changes is one */
    until_ns = now_ns +
               (settle_ms / 2 + lb_retry_random(retry, settle_ms / 2 + spread_ms(retry) + 1)) * LB_NS_PER_MS;
    if (until_ns >= retry->until_ns)
        return false;
    retry->until_ns = until_ns;
    if (retry->hurried < LB_RETRY_HURRIED_MAX)
        retry->hurried++;
    return true;
}

void lb_retry_end_pause(struct lb_retry *retry)
{
    retry->until_ns = 0;
}

uint64_t lb_retry_beat_ns(uint64_t seen_ns, uint64_t wait_ns, uint64_t phase)
{
    uint64_t half = wait_ns / 2, from = seen_ns + half, beat = wait_ns - half, offset;

    if (beat == 0)
        return seen_ns + wait_ns;
    offset = phase % beat;
    return from + (offset + beat - from % beat) % beat;
}

uint64_t lb_retry_due_ns(uint64_t seen_ns, uint64_t wait_ns, uint64_t phase, uint64_t splay_until_ns)
{
    return seen_ns < splay_until_ns ? splay_until_ns : lb_retry_beat_ns(seen_ns, wait_ns, phase);
}

uint64_t lb_retry_ahead_ns(uint64_t limit_ns, uint64_t spread_ns, uint64_t phase)
{
    uint64_t spread = spread_ns < limit_ns / 2 ? spread_ns : limit_ns / 2;

    return spread ? limit_ns - phase % spread : limit_ns;
}
