/* SPDX-License-Identifier: MIT */
/*
 * How much a service may send. In: records by service, severity, pattern, size and time. Out: pass, or which
 * limit bit. Always true: the answer is a function of the words under the commit, the settings and the
 * record; a row of the table is in exactly one hash chain and in its service's list of use, or free.
 */
#include "agent/shape/limit.h"

#include <string.h>

#define NS_PER_DAY    86400e9
#define DAY_SECONDS   86400u
#define TIME_OF_SHARE 1000003u /* ns: records at a steady rate are not all in the same place of it */

static uint64_t get(const struct lb_limit *limit, uint16_t row, unsigned word)
{
    return lb_commit_get(limit->commit, LB_FAST_PATTERNS, (row - 1u) * LB_PATTERN_WORDS + word);
}

static void set(struct lb_limit *limit, uint16_t row, unsigned word, uint64_t value)
{
    if (get(limit, row, word) != value)
        lb_commit_set(limit->commit, LB_FAST_PATTERNS, (row - 1u) * LB_PATTERN_WORDS + word, value);
}

/* ---- buckets ---- */

static uint64_t time_of(uint64_t units, uint64_t rate_per_day)
{
    double ns = (double)units * (NS_PER_DAY / (double)rate_per_day);

    return ns < 4e18 ? (uint64_t)ns : (uint64_t)4e18;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t lb_bucket_ask(uint64_t full_ns, uint64_t now_ns, uint64_t units, uint64_t rate_per_day,
                       uint64_t burst)
{
    uint64_t then_ns;

    if (rate_per_day == LB_OFF)
        return full_ns;
    /* What is more than the bucket ever holds takes all of it: else it would never pass. */
    then_ns = later(full_ns, now_ns) + time_of(units < burst ? units : burst, rate_per_day);
    return then_ns - now_ns <= time_of(burst, rate_per_day) ? then_ns : UINT64_MAX;
}

uint64_t lb_bucket_charge(uint64_t full_ns, uint64_t now_ns, uint64_t units, uint64_t rate_per_day,
                          uint64_t burst)
{
    uint64_t then_ns, most_ns;

    if (rate_per_day == LB_OFF)
        return full_ns;
    then_ns = later(full_ns, now_ns) + time_of(units, rate_per_day);
    most_ns = now_ns + 2 * time_of(burst, rate_per_day);
    return then_ns < most_ns ? then_ns : most_ns;
}

static uint64_t bytes_at_once(const struct lb_throttle_config *settings)
{
    return settings->bytes_per_day == LB_OFF ? 0
                                             : later(settings->bytes_per_day / 1440, LB_LIMIT_BYTES_AT_ONCE);
}

static uint64_t throttle_word(const struct lb_limit *limit, uint32_t service_ix, unsigned word)
{
    return lb_commit_get(limit->commit, LB_FAST_THROTTLE, service_ix * LB_THROTTLE_WORDS + word);
}

static void charge(struct lb_limit *limit, const struct lb_limit_ask *ask, unsigned word, uint64_t units,
                   uint64_t rate_per_day, uint64_t burst)
{
    uint32_t at = ask->service_ix * LB_THROTTLE_WORDS + word;

    if (rate_per_day != LB_OFF)
        lb_commit_set(limit->commit, LB_FAST_THROTTLE, at,
                      lb_bucket_charge(lb_commit_get(limit->commit, LB_FAST_THROTTLE, at), ask->now_ns, units,
                                       rate_per_day, burst));
}

static bool is_refused(const struct lb_limit *limit, const struct lb_limit_ask *ask, unsigned word,
                       uint64_t units, uint64_t rate_per_day, uint64_t burst)
{
    return rate_per_day != LB_OFF && lb_bucket_ask(throttle_word(limit, ask->service_ix, word), ask->now_ns,
                                                   units, rate_per_day, burst) == UINT64_MAX;
}

/* ---- the index ---- */

static unsigned hash_of(uint64_t pattern, uint32_t service_ix)
{
    return (unsigned)((pattern ^ service_ix * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu >> 53) % LB_PATTERNS;
}

static uint16_t find(const struct lb_limit *limit, uint64_t pattern, uint32_t service_ix)
{
    uint16_t row = limit->bucket[hash_of(pattern, service_ix)];

    while (row && (get(limit, row, LB_PATTERN_ID) != pattern ||
                   get(limit, row, LB_PATTERN_SERVICE) != service_ix + 1))
        row = limit->chain[row - 1];
    return row;
}

static void unlink_use(struct lb_limit *limit, uint32_t service_ix, uint16_t row)
{
    uint16_t older = limit->older[row - 1], newer = limit->newer[row - 1];

    *(older ? &limit->newer[older - 1] : &limit->oldest[service_ix]) = newer;
    *(newer ? &limit->older[newer - 1] : &limit->newest[service_ix]) = older;
    limit->count[service_ix]--;
}

static void link_newest(struct lb_limit *limit, uint32_t service_ix, uint16_t row)
{
    uint16_t before = limit->newest[service_ix];

    limit->older[row - 1] = before;
    limit->newer[row - 1] = 0;
    *(before ? &limit->newer[before - 1] : &limit->oldest[service_ix]) = row;
    limit->newest[service_ix] = row;
    limit->count[service_ix]++;
}

static void link_hash(struct lb_limit *limit, uint16_t row)
{
    uint32_t service_ix = (uint32_t)get(limit, row, LB_PATTERN_SERVICE) - 1;
    unsigned hash = hash_of(get(limit, row, LB_PATTERN_ID), service_ix);

    limit->chain[row - 1] = limit->bucket[hash];
    limit->bucket[hash] = row;
}

static void unlink_hash(struct lb_limit *limit, uint16_t row)
{
    uint32_t service_ix = (uint32_t)get(limit, row, LB_PATTERN_SERVICE) - 1;
    uint16_t *at = &limit->bucket[hash_of(get(limit, row, LB_PATTERN_ID), service_ix)];

    while (*at != row)
        at = &limit->chain[*at - 1];
    *at = limit->chain[row - 1];
}

static uint32_t richest(const struct lb_limit *limit)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < LB_SERVICES_BOOKS; i++)
        if (limit->count[i] > limit->count[best])
            best = i;
    return best;
}

/* A row for a new pattern: one of the service's own where it has as many as it may, else a free one, else
 * one of whoever has most. */
static uint16_t make_room(struct lb_limit *limit, uint32_t service_ix, uint64_t max_patterns)
{
    uint32_t payer = service_ix;
    uint16_t row = limit->free;

    if (limit->count[service_ix] < max_patterns && row) {
        limit->free = limit->chain[row - 1];
        return row;
    }
    if (limit->count[service_ix] < max_patterns)
        payer = richest(limit);
    row = limit->oldest[payer];
    unlink_use(limit, payer, row);
    unlink_hash(limit, row);
    return row;
}

static uint16_t learn(struct lb_limit *limit, const struct lb_throttle_config *settings,
                      const struct lb_limit_ask *ask)
{
    uint16_t row = make_room(limit, ask->service_ix, settings->max_patterns);

    set(limit, row, LB_PATTERN_ID, ask->pattern);
    set(limit, row, LB_PATTERN_SERVICE, ask->service_ix + 1);
    set(limit, row, LB_PATTERN_FULL_NS, 0);
    set(limit, row, LB_PATTERN_BEYOND, 0);
    link_hash(limit, row);
    link_newest(limit, ask->service_ix, row);
    return row;
}

/* A row that a damaged table has twice, or that names no service, is free. */
static bool is_usable(const struct lb_limit *limit, uint16_t row)
{
    uint64_t owner = get(limit, row, LB_PATTERN_SERVICE);

    return owner > 0 && owner <= LB_SERVICES_BOOKS &&
           !find(limit, get(limit, row, LB_PATTERN_ID), (uint32_t)owner - 1);
}

void lb_limit_open(struct lb_limit *limit, struct lb_commit *commit)
{
    memset(limit, 0, sizeof *limit);
    limit->commit = commit;
    for (uint16_t row = LB_PATTERNS; row > 0; row--) {
        if (is_usable(limit, row)) {
            link_hash(limit, row);
            link_newest(limit, (uint32_t)get(limit, row, LB_PATTERN_SERVICE) - 1, row);
        } else {
            limit->chain[row - 1] = limit->free;
            limit->free = row;
        }
    }
}

/* ---- the decision ---- */

static bool is_of_floor(const struct lb_throttle_config *settings, int severity, bool is_kept)
{
    return is_kept || severity <= settings->floor;
}

static bool is_over_rate(const struct lb_limit *limit, const struct lb_throttle_config *settings,
                         const struct lb_limit_ask *ask)
{
    return is_refused(limit, ask, LB_THROTTLE_LINES_NS, ask->lines, settings->rate_per_day,
                      settings->burst) ||
           is_refused(limit, ask, LB_THROTTLE_BYTES_NS, ask->bytes, settings->bytes_per_day,
                      bytes_at_once(settings));
}

/* Are all of the service's lines together beyond the rate of one pattern? */
static bool is_past_gate(const struct lb_limit *limit, const struct lb_throttle_config *settings,
                         const struct lb_limit_ask *ask)
{
    return is_refused(limit, ask, LB_THROTTLE_GATE_NS, 1, settings->pattern_rate_per_day,
                      settings->pattern_burst);
}

enum lb_limit_wish lb_limit_wish(const struct lb_limit *limit, const struct lb_throttle_config *settings,
                                 const struct lb_limit_ask *ask)
{
    if (settings->max_patterns == 0 || (is_of_floor(settings, ask->severity, ask->is_kept) && !ask->share))
        return LB_LIMIT_NO_PATTERN;
    if (is_over_rate(limit, settings, ask))
        return is_refused(limit, ask, LB_THROTTLE_LOOK_NS, 1, LB_LIMIT_LOOK_RATE * DAY_SECONDS,
                          LB_LIMIT_LOOK_BURST)
                   ? LB_LIMIT_KNOWN_PATTERN
                   : LB_LIMIT_ANY_PATTERN;
    return ask->share || is_past_gate(limit, settings, ask) ? LB_LIMIT_ANY_PATTERN : LB_LIMIT_NO_PATTERN;
}

static void look_floor(const struct lb_limit *limit, const struct lb_throttle_config *settings,
                       const struct lb_limit_ask *ask, struct lb_limit_answer *answer)
{
    answer->is_floor = true;
    answer->why = ask->is_kept ? "kept by a rule" : "of the floor";
    if (!is_refused(limit, ask, LB_THROTTLE_FLOOR_NS, ask->lines, settings->floor_rate_per_day,
                    settings->floor_burst))
        return;
    answer->verdict = LB_LIMIT_LIMIT;
    answer->why = "beyond floor_rate";
}

/* false: it is beyond its pattern's rate, and not one of those that are sent of what is */
static bool look_pattern(const struct lb_limit *limit, const struct lb_throttle_config *settings,
                         const struct lb_limit_ask *ask, struct lb_limit_answer *answer)
{
    answer->row = find(limit, ask->pattern, ask->service_ix);
    answer->is_new = answer->row == 0;
    if (answer->is_new ||
        lb_bucket_ask(get(limit, answer->row, LB_PATTERN_FULL_NS), ask->now_ns, 1,
                      settings->pattern_rate_per_day, settings->pattern_burst) != UINT64_MAX)
        return true;
    answer->is_beyond = true;
    if (settings->sample > 0 && (get(limit, answer->row, LB_PATTERN_BEYOND) + 1) % settings->sample == 0) {
        answer->why = "a sample of its pattern";
        return true;
    }
    return false;
}

/* Is it one of those that are sent of a known pattern, or new? Where patterns are not told apart its time
 * decides. */
static bool is_of_share(const struct lb_limit *limit, const struct lb_limit_ask *ask,
                        struct lb_limit_answer *answer)
{
    if (!ask->pattern)
        return ask->share != UINT64_MAX && ask->now_ns / TIME_OF_SHARE % ask->share == 0;
    answer->row = find(limit, ask->pattern, ask->service_ix);
    answer->is_new = answer->row == 0;
    answer->is_beyond = !answer->is_new;
    return answer->is_new ||
           (ask->quiet_ns > 0 &&
            ask->now_ns >= get(limit, answer->row, LB_PATTERN_FULL_NS) + ask->quiet_ns) ||
           (ask->share != UINT64_MAX && (get(limit, answer->row, LB_PATTERN_BEYOND) + 1) % ask->share == 0);
}

void lb_limit_look(const struct lb_limit *limit, const struct lb_throttle_config *settings,
                   const struct lb_limit_ask *ask, struct lb_limit_answer *answer)
{
    *answer = (struct lb_limit_answer) { .verdict = LB_LIMIT_PASS, .why = "within its rates" };
    if (ask->share && !is_of_share(limit, ask, answer)) {
        answer->verdict = LB_LIMIT_SHARE;
        answer->why = "a known pattern";
        return;
    }
    if (is_of_floor(settings, ask->severity, ask->is_kept)) {
        look_floor(limit, settings, ask, answer);
        return;
    }
    answer->is_past_gate = is_past_gate(limit, settings, ask);
    if (ask->pattern && answer->is_past_gate && !look_pattern(limit, settings, ask, answer)) {
        answer->verdict = LB_LIMIT_SAMPLE;
        answer->why = "beyond pattern_rate";
        return;
    }
    if (!is_over_rate(limit, settings, ask))
        return;
    answer->is_over = true;
    if (answer->is_new &&
        !is_refused(limit, ask, LB_THROTTLE_NEW_NS, 1, LB_LIMIT_NEW_RATE * DAY_SECONDS, LB_LIMIT_NEW_BURST)) {
        answer->why = "the first of its pattern";
        return;
    }
    answer->verdict = LB_LIMIT_LIMIT;
    answer->why = "beyond rate or bytes";
}

/* The record was seen: its pattern is known from here on, and is the newest of its service. */
static void note_pattern(struct lb_limit *limit, const struct lb_throttle_config *settings,
                         const struct lb_limit_ask *ask, const struct lb_limit_answer *answer)
{
    uint16_t row = answer->row;

    if (!row)
        row = learn(limit, settings, ask);
    else if (limit->newest[ask->service_ix] != row) {
        unlink_use(limit, ask->service_ix, row);
        link_newest(limit, ask->service_ix, row);
    }
    set(limit, row, LB_PATTERN_SEEN_NS, ask->now_ns);
    set(limit, row, LB_PATTERN_BEYOND, answer->is_beyond ? get(limit, row, LB_PATTERN_BEYOND) + 1 : 0);
    if (answer->verdict == LB_LIMIT_PASS && (!answer->is_beyond || ask->share))
        set(limit, row, LB_PATTERN_FULL_NS,
            lb_bucket_charge(get(limit, row, LB_PATTERN_FULL_NS), ask->now_ns, 1,
                             settings->pattern_rate_per_day, settings->pattern_burst));
}

void lb_limit_note(struct lb_limit *limit, const struct lb_throttle_config *settings,
                   const struct lb_limit_ask *ask, const struct lb_limit_answer *answer)
{
    if (ask->pattern && (answer->is_past_gate || ask->share))
        note_pattern(limit, settings, ask, answer);
    if (ask->pattern && answer->is_over)
        charge(limit, ask, LB_THROTTLE_LOOK_NS, 1, LB_LIMIT_LOOK_RATE * DAY_SECONDS, LB_LIMIT_LOOK_BURST);
    if (!answer->is_floor && !answer->is_past_gate)
        charge(limit, ask, LB_THROTTLE_GATE_NS, 1, settings->pattern_rate_per_day, settings->pattern_burst);
    if (answer->verdict != LB_LIMIT_PASS)
        return;
    charge(limit, ask, LB_THROTTLE_BYTES_NS, ask->bytes, settings->bytes_per_day, bytes_at_once(settings));
    if (answer->is_floor)
        charge(limit, ask, LB_THROTTLE_FLOOR_NS, ask->lines, settings->floor_rate_per_day,
               settings->floor_burst);
    else
        charge(limit, ask, LB_THROTTLE_LINES_NS, ask->lines, settings->rate_per_day, settings->burst);
    if (answer->is_over && answer->is_new)
        charge(limit, ask, LB_THROTTLE_NEW_NS, 1, LB_LIMIT_NEW_RATE * DAY_SECONDS, LB_LIMIT_NEW_BURST);
}
