/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_RETRY_H
#define LB_SHIP_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When to try again, and how much at a time: exponential backoff with full
 * jitter, also at the cap, and a circuit breaker, so that a fleet that failed
 * together does not come back together (facts/sinks.md section 11). Pure: the
 * clock and the seed are the caller's. tests/fleet runs ten thousand of these.
 *
 *            a failure                  the pause is over            the probe is taken
 *   CLOSED ─────────────▶ OPEN (pause) ──────────────────▶ one probe ──────────────────▶ 1, 2, 4 … bodies
 *                          ▲                                  │ failure                        │ failure
 *                          └──────────────────────────────────┴────────────────────────────────┘
 */
#define LB_RETRY_FLOOR_MS      100 /* jitter may say "at once"; a sink that just failed gets this much rest */
#define LB_RETRY_RECOVERY      2   /* failures that one success makes forgotten: a flapping sink stays slow */
#define LB_RETRY_FAILURES_MAX  40
#define LB_RETRY_ANSWER_MORE   2 /* a sink that says "not now" has too much: its pause begins so much later */
#define LB_RETRY_REFUSED_MS    1000 /* a refusal's pause is at least this long ... */
#define LB_RETRY_REFUSED_MORE  3    /* ... begins so many doublings later ... */
#define LB_RETRY_REFUSED_TIMES 3    /* ... and its longest is longer by this factor */
/* After a change of the network: an address, its route, a resolver come one after the other. */
#define LB_RETRY_SETTLE_MS   500
#define LB_RETRY_HURRIED_MAX 16
/* The change that ends a long outage may be the same for a whole fleet: up to so much more, at random ... */
#define LB_RETRY_SPREAD_MS 15000
#define LB_RETRY_SPREAD_AT 8 /* ... after so many failures; after one less half of it, and so on */

/* What kind of failure. */
enum lb_failure {
    LB_FAILURE_NETWORK = 0, /* nobody answered: a change of the network may help */
    LB_FAILURE_ANSWER,      /* the sink answered that it cannot now (429, 5xx) */
    LB_FAILURE_REFUSED,     /* it will not, until somebody changes something (401, 403, 404) */
};

struct lb_retry {
    uint64_t min_ms;
    uint64_t max_ms;
    unsigned concurrency; /* bodies in flight when all is well */
    unsigned allowed;     /* bodies in flight now, while it is not open */
    uint32_t failures;    /* in a row, less what successes made forgotten */
    uint64_t random;      /* state of the generator, never 0 */
    uint64_t until_ns;    /* nothing is sent before this; 0: no pause */
    bool is_open;         /* failed since the last success: one probe at a time */
    bool may_hurry;       /* the pause is for want of a network, and was not cut short yet */
    uint32_t hurried;     /* pauses cut short since the last success */
};

/*
 * Start without failures.
 *   min_ms, max_ms  first and longest pause
 *   concurrency     1 or more
 *   seed            from getrandom() or, in tests, fixed
 *   calls     slow side
 */
void lb_retry_init(struct lb_retry *retry, uint64_t min_ms, uint64_t max_ms, unsigned concurrency,
                   uint64_t seed);

/*
 * Other settings; what is known of failures stays, the pause ends.
 *   calls     slow side
 */
void lb_retry_change(struct lb_retry *retry, uint64_t min_ms, uint64_t max_ms);

/*
 * Note a failure: the breaker opens.
 *   asked_ms  what Retry-After asked for, 0: nothing. It is a floor, with up to a tenth more so that a fleet
 *             that was told the same does not return together, and never above max_ms
 *   returns   how long the pause is, in ms
 *   calls     slow side
 */
uint64_t lb_retry_failed(struct lb_retry *retry, enum lb_failure kind, uint64_t asked_ms, uint64_t now_ns);

/*
 * One more body failed that was on its way when the breaker opened: that is no
 * failure of its own, but it may ask for a longer pause.
 *   asked_ms  as for lb_retry_failed(), 0: it asks for nothing
 *   calls     slow side
 */
void lb_retry_put_off(struct lb_retry *retry, uint64_t asked_ms, uint64_t now_ns);

/*
 * Note a success: the breaker closes, and more may be in flight.
 *   calls     slow side
 */
void lb_retry_succeeded(struct lb_retry *retry);

/*
 * May one body more be sent?
 *   in_flight  how many are on their way
 *   calls     slow side
 */
bool lb_retry_may_send(const struct lb_retry *retry, unsigned in_flight, uint64_t now_ns);

/*
 * Something changed in the network: a pause for want of it is cut short, once,
 * to half a second in which the change may settle. With each pause that is cut
 * short that time doubles until the next success, so that a link that flaps
 * does not defeat the backoff. After a long outage there is a random time on
 * top, an eighth of what the outage took or less: the carrier's network comes
 * back to all devices at once, and half a second is no distance among them.
 *   returns   whether it was cut short
 *   calls     slow side
 */
bool lb_retry_hurry(struct lb_retry *retry, uint64_t now_ns);

/*
 * Somebody asks for a try now (flush).
 *   calls     slow side
 */
void lb_retry_end_pause(struct lb_retry *retry);

/*
 * A random number below a bound, from the same generator.
 *   returns   0..bound-1, 0 for bound 0
 */
uint64_t lb_retry_random(struct lb_retry *retry, uint64_t bound);

/*
 * When a body is due whose first record was seen at seen_ns: at the device's
 * own beat in the second half of the wait, so that a fleet whose devices log
 * in the same second does not ship in the same second, and a device that logs
 * all the time ships once every wait.
 *   phase     any number that differs from device to device
 *   returns   seen_ns + wait_ns / 2 <= due <= seen_ns + wait_ns
 *   calls     any thread
 */
uint64_t lb_retry_beat_ns(uint64_t seen_ns, uint64_t wait_ns, uint64_t phase);

/*
 * The same for a device that has just started: what is seen before a random
 * moment in the first wait is due at that moment, and the beat takes over from
 * there. The beat alone has every body in the second half of a wait: devices
 * that were switched on together would all keep to that half for good, and
 * ship twice as much there as they need to.
 *   splay_until_ns  start + random(wait)
 *   returns   seen_ns <= due <= the later of splay_until_ns and seen_ns + wait_ns
 *   calls     any thread
 */
uint64_t lb_retry_due_ns(uint64_t seen_ns, uint64_t wait_ns, uint64_t phase, uint64_t splay_until_ns);

/*
 * A device's own moment before one at which a whole fleet would do the same:
 * within the last spread_ns of the limit, so that the limit holds for all.
 *   phase     any number that differs from device to device
 *   returns   limit_ns - min(spread_ns, limit_ns / 2) < moment <= limit_ns, limit_ns for spread_ns 0
 *   calls     any thread
 */
uint64_t lb_retry_ahead_ns(uint64_t limit_ns, uint64_t spread_ns, uint64_t phase);

#endif
