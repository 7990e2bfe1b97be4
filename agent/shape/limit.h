/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_LIMIT_H
#define LB_SHAPE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/state.h"
#include "common/config.h"

/*
 * How much a service may send. Token buckets, each one word under the fast
 * side's commit: the boot time at which it is full again. What asks for `cost`
 * at a rate pushes that time on; it may not lie further ahead than a burst
 * takes to come back (GCRA, as in ITU-T I.371 annex A).
 *
 *      share asked for? ──yes──▶ known pattern, and not one of those that are sent ──▶ SHARE
 *            │no, or it is new, or one of those
 *      floor or kept?  ──yes──▶ floor_rate ──▶ pass | LIMIT
 *            │no
 *      all together within pattern_rate?  ──yes──▶ no single pattern can be beyond it: on to rate, bytes
 *            │no
 *      pattern_rate ──beyond──▶ one in `sample`? ──no──▶ SAMPLE
 *            │within                 │yes
 *            ▼                       ▼
 *      rate, bytes ──beyond──▶ first of its pattern? ──no──▶ LIMIT
 *            └───────▶ pass          └──yes──▶ pass, at most LB_LIMIT_NEW_RATE a second
 *
 * Looking changes nothing: what became of the record is told afterwards, once,
 * so a record that has to be offered again is not charged twice.
 *
 * Patterns are rows of LB_FAST_PATTERNS, shared by all services: at most
 * max_patterns of one; the one that was not seen for longest gives way. A row
 * holds no count that must be told: those are in summary.h's table.
 */
#define LB_LIMIT_NEW_RATE      5u /* records a second of patterns never seen, beyond the service's rate */
#define LB_LIMIT_NEW_BURST     50u
#define LB_LIMIT_BYTES_AT_ONCE 65536u /* of `bytes`, at least */
/* What a service says beyond its rate is looked at so often for patterns, and else only where that costs
 * nothing: a firehose is to be cheap. */
#define LB_LIMIT_LOOK_RATE  500u
#define LB_LIMIT_LOOK_BURST 1000u

/* Where patterns are found: private, made anew from the table at each start. */
struct lb_limit {
    struct lb_commit *commit;
    uint16_t bucket[LB_PATTERNS];                    /* first row of a hash, + 1 */
    uint16_t chain[LB_PATTERNS];                     /* the next one of it, + 1 */
    uint16_t older[LB_PATTERNS], newer[LB_PATTERNS]; /* by service, in the order of last use, + 1 */
    uint16_t oldest[LB_SERVICES_BOOKS], newest[LB_SERVICES_BOOKS], count[LB_SERVICES_BOOKS];
    uint16_t free; /* a list by chain, + 1 */
};

/*
 * Make the index over the table.
 *   commit    has LB_FAST_PATTERNS and LB_FAST_THROTTLE
 *   calls     before the threads start, after lb_commit_recover(); offline modes
 */
void lb_limit_open(struct lb_limit *limit, struct lb_commit *commit);

/* A record that asks. */
struct lb_limit_ask {
    uint32_t service_ix;
    int severity;
    bool is_kept;     /* by a rule: as those of the floor */
    uint64_t pattern; /* of its text; 0: not known */
    uint32_t lines;
    uint64_t bytes;
    uint64_t now_ns; /* boot time at which it was captured */
    uint64_t share; /* of a known pattern only one in so many passes, UINT64_MAX: none; 0: nobody asks that */
    uint64_t quiet_ns; /* share: and one of whose pattern none passed for so long; 0: not for that */
};

enum lb_limit_verdict { LB_LIMIT_PASS = 0, LB_LIMIT_SAMPLE, LB_LIMIT_LIMIT, LB_LIMIT_SHARE };

struct lb_limit_answer {
    enum lb_limit_verdict verdict;
    const char *why; /* static, for explain */
    bool is_floor, is_new, is_beyond, is_over, is_past_gate;
    uint16_t row; /* of its pattern, + 1; 0: none */
};

enum lb_limit_wish { LB_LIMIT_NO_PATTERN = 0, LB_LIMIT_KNOWN_PATTERN, LB_LIMIT_ANY_PATTERN };

/*
 * Need the record's pattern be known?
 *   ask       all but its pattern
 *   returns   LB_LIMIT_KNOWN_PATTERN: if that costs little
 *   calls     fast side, offline modes; changes nothing
 */
enum lb_limit_wish lb_limit_wish(const struct lb_limit *limit, const struct lb_throttle_config *settings,
                                 const struct lb_limit_ask *ask);

/*
 * May it pass? Changes nothing.
 *   calls     fast side, offline modes
 */
void lb_limit_look(const struct lb_limit *limit, const struct lb_throttle_config *settings,
                   const struct lb_limit_ask *ask, struct lb_limit_answer *ret_answer);

/*
 * What the answer said has come to be: buckets are charged, with the next
 * publish, or that it was beyond its pattern's rate is counted.
 *   calls     fast side, in the turn that queues, holds or drops it; needs room for 16 words
 */
void lb_limit_note(struct lb_limit *limit, const struct lb_throttle_config *settings,
                   const struct lb_limit_ask *ask, const struct lb_limit_answer *answer);

/*
 * A bucket alone: may so many units pass at this rate, after what passed before?
 *   full_ns      when it is full again; 0: it never was asked
 *   returns      when it will be, once they passed | UINT64_MAX they may not
 *   calls        any thread; a pure function
 */
uint64_t lb_bucket_ask(uint64_t full_ns, uint64_t now_ns, uint64_t units, uint64_t rate_per_day,
                       uint64_t burst);

/*
 * The same, asking nobody: what must pass is charged, but never further than
 * two bursts ahead, so that it is paid back some day.
 */
uint64_t lb_bucket_charge(uint64_t full_ns, uint64_t now_ns, uint64_t units, uint64_t rate_per_day,
                          uint64_t burst);

#endif
