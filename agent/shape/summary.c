/* SPDX-License-Identifier: MIT */
/*
 * What was suppressed, summed up. In: suppressed records. Out: one body for each service and minute. Always
 * true: the lines of a service's rows, and of its rest, are those that it counts by reason.
 */
#include "agent/shape/summary.h"

#include <string.h>

static uint64_t get(const struct lb_commit *commit, uint32_t row, unsigned word)
{
    return lb_commit_get(commit, LB_FAST_SUPPRESSED, row * LB_SUPPRESSED_WORDS + word);
}

static void set(struct lb_commit *commit, uint32_t row, unsigned word, uint64_t value)
{
    if (get(commit, row, word) != value)
        lb_commit_set(commit, LB_FAST_SUPPRESSED, row * LB_SUPPRESSED_WORDS + word, value);
}

static uint64_t service_get(const struct lb_commit *commit, uint32_t service_ix, unsigned word)
{
    return lb_commit_get(commit, LB_FAST_THROTTLE, service_ix * LB_THROTTLE_WORDS + word);
}

static void service_set(struct lb_commit *commit, uint32_t service_ix, unsigned word, uint64_t value)
{
    if (service_get(commit, service_ix, word) != value)
        lb_commit_set(commit, LB_FAST_THROTTLE, service_ix * LB_THROTTLE_WORDS + word, value);
}

static void service_add(struct lb_commit *commit, uint32_t service_ix, unsigned word, uint64_t delta)
{
    service_set(commit, service_ix, word, service_get(commit, service_ix, word) + delta);
}

/* ---- count ---- */

static uint32_t start_of(uint64_t pattern, uint32_t service_ix)
{
    return (uint32_t)((pattern ^ service_ix * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu >> 56) %
           LB_SUPPRESSED;
}

/* The row of a pattern, or a free one, within a few steps of where it is looked for first. */
#define STEPS 16
static uint32_t find(const struct lb_commit *commit, uint64_t pattern, uint32_t service_ix)
{
    uint32_t unused = LB_SUPPRESSED;

    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t row = (start_of(pattern, service_ix) + i) % LB_SUPPRESSED;
        uint64_t owner = get(commit, row, LB_SUPPRESSED_SERVICE);

        if (owner == service_ix + 1 && get(commit, row, LB_SUPPRESSED_PATTERN) == pattern)
            return row;
        if (owner == 0 && unused == LB_SUPPRESSED)
            unused = row;
    }
    return unused;
}

static void open_row(struct lb_commit *commit, uint32_t row, const struct lb_suppressed *record,
                     size_t (*template_of)(void *, char *, size_t), void *arg)
{
    uint64_t text[LB_TEMPLATE_BYTES / 8] = { 0 };
    size_t len = template_of(arg, (char *)text, sizeof text);

    set(commit, row, LB_SUPPRESSED_SERVICE, record->service_ix + 1);
    set(commit, row, LB_SUPPRESSED_PATTERN, record->pattern);
    set(commit, row, LB_SUPPRESSED_LINES, 0);
    set(commit, row, LB_SUPPRESSED_BYTES, 0);
    set(commit, row, LB_SUPPRESSED_FIRST_NS, record->now_ns);
    set(commit, row, LB_SUPPRESSED_LAST_NS, record->now_ns);
    set(commit, row, LB_SUPPRESSED_ABOUT, (unsigned)record->severity | (uint64_t)len << 8);
    for (unsigned i = 0; i < LB_TEMPLATE_BYTES / 8; i++)
        set(commit, row, LB_SUPPRESSED_TEMPLATE + i, text[i]);
}

static void note_time(struct lb_commit *commit, uint32_t service_ix, uint64_t now_ns)
{
    if (service_get(commit, service_ix, LB_THROTTLE_SINCE_NS) == 0)
        service_set(commit, service_ix, LB_THROTTLE_SINCE_NS, now_ns ? now_ns : 1);
    if (now_ns > service_get(commit, service_ix, LB_THROTTLE_LAST_NS))
        service_set(commit, service_ix, LB_THROTTLE_LAST_NS, now_ns);
}

void lb_summary_count(struct lb_commit *commit, const struct lb_suppressed *record,
                      size_t (*template_of)(void *, char *, size_t), void *arg)
{
    uint32_t row = record->pattern ? find(commit, record->pattern, record->service_ix) : LB_SUPPRESSED;

    note_time(commit, record->service_ix, record->now_ns);
    service_add(commit, record->service_ix, LB_THROTTLE_UNTOLD + record->why - LB_DROP_FILTER, record->lines);
    if (row == LB_SUPPRESSED) {
        service_add(commit, record->service_ix, LB_THROTTLE_REST_LINES, record->lines);
        service_add(commit, record->service_ix, LB_THROTTLE_REST_BYTES, record->bytes);
        return;
    }
    if (get(commit, row, LB_SUPPRESSED_SERVICE) == 0)
        open_row(commit, row, record, template_of, arg);
    set(commit, row, LB_SUPPRESSED_LINES, get(commit, row, LB_SUPPRESSED_LINES) + record->lines);
    set(commit, row, LB_SUPPRESSED_BYTES, get(commit, row, LB_SUPPRESSED_BYTES) + record->bytes);
    /* A stamp may be older than the one before: of a line that was drained, or begun, before it. */
    if (record->now_ns < get(commit, row, LB_SUPPRESSED_FIRST_NS))
        set(commit, row, LB_SUPPRESSED_FIRST_NS, record->now_ns);
    if (record->now_ns > get(commit, row, LB_SUPPRESSED_LAST_NS))
        set(commit, row, LB_SUPPRESSED_LAST_NS, record->now_ns);
}

void lb_summary_promoted(struct lb_commit *commit, uint32_t service_ix, uint64_t lines, uint64_t bytes,
                         uint64_t now_ns)
{
    note_time(commit, service_ix, now_ns);
    service_add(commit, service_ix, LB_THROTTLE_PROMOTED_LINES, lines);
    service_add(commit, service_ix, LB_THROTTLE_PROMOTED_BYTES, bytes);
}

/* ---- tell ---- */

static void describe_pattern(const struct lb_commit *commit, uint32_t row, struct lb_summary_pattern *pattern)
{
    uint64_t len = get(commit, row, LB_SUPPRESSED_ABOUT) >> 8 & 0xff;

    *pattern = (struct lb_summary_pattern) {
        .id = get(commit, row, LB_SUPPRESSED_PATTERN),
        .lines = get(commit, row, LB_SUPPRESSED_LINES),
        .bytes = get(commit, row, LB_SUPPRESSED_BYTES),
        .first_ns = get(commit, row, LB_SUPPRESSED_FIRST_NS),
        .last_ns = get(commit, row, LB_SUPPRESSED_LAST_NS),
        .template_len = len < LB_TEMPLATE_BYTES ? len : LB_TEMPLATE_BYTES,
    };
    memcpy(pattern->template,
           &commit->region[LB_FAST_SUPPRESSED].work[row * LB_SUPPRESSED_WORDS + LB_SUPPRESSED_TEMPLATE],
           LB_TEMPLATE_BYTES);
}

/* Put a pattern where it belongs among the most frequent ones; what falls off the end joins the rest. */
static void rank(struct lb_summary *body, const struct lb_summary_pattern *pattern)
{
    unsigned at = (unsigned)body->patterns;

    if (body->patterns == LB_SUMMARY_PATTERNS) {
        const struct lb_summary_pattern *last = &body->pattern[LB_SUMMARY_PATTERNS - 1];
        const struct lb_summary_pattern *out = pattern->lines > last->lines ? last : pattern;

        body->rest_lines += out->lines;
        body->rest_bytes += out->bytes;
        if (out == pattern)
            return;
        at--;
    } else {
        body->patterns++;
    }
    for (; at > 0 && body->pattern[at - 1].lines < pattern->lines; at--)
        body->pattern[at] = body->pattern[at - 1];
    body->pattern[at] = *pattern;
}

static void describe(const struct lb_commit *commit, uint32_t service_ix, struct lb_summary *body)
{
    struct lb_summary_pattern pattern;

    memset(body, 0, sizeof *body);
    body->first_ns = service_get(commit, service_ix, LB_THROTTLE_SINCE_NS);
    body->last_ns = service_get(commit, service_ix, LB_THROTTLE_LAST_NS);
    body->promoted_lines = service_get(commit, service_ix, LB_THROTTLE_PROMOTED_LINES);
    body->promoted_bytes = service_get(commit, service_ix, LB_THROTTLE_PROMOTED_BYTES);
    body->rest_lines = service_get(commit, service_ix, LB_THROTTLE_REST_LINES);
    body->rest_bytes = service_get(commit, service_ix, LB_THROTTLE_REST_BYTES);
    for (unsigned i = 0; i < LB_HELD_REASONS; i++)
        body->by_reason[i] = service_get(commit, service_ix, LB_THROTTLE_UNTOLD + i);
    for (uint32_t row = 0; row < LB_SUPPRESSED; row++) {
        if (get(commit, row, LB_SUPPRESSED_SERVICE) != service_ix + 1)
            continue;
        describe_pattern(commit, row, &pattern);
        rank(body, &pattern);
    }
    body->lines = body->rest_lines;
    body->bytes = body->rest_bytes;
    for (unsigned i = 0; i < body->patterns; i++) {
        body->lines += body->pattern[i].lines;
        body->bytes += body->pattern[i].bytes;
    }
}

bool lb_summary_next(const struct lb_commit *commit, uint32_t *row, uint64_t now_ns, bool all,
                     struct lb_summary *ret_body, uint64_t *ret_next_ns)
{
    if (*row == 0)
        *ret_next_ns = UINT64_MAX;
    for (; *row < LB_SERVICES_BOOKS; ++*row) {
        uint64_t since_ns = service_get(commit, *row, LB_THROTTLE_SINCE_NS);

        if (since_ns == 0)
            continue;
        if (all || now_ns >= since_ns + LB_SUMMARY_EVERY_NS) {
            describe(commit, *row, ret_body);
            return true;
        }
        if (since_ns + LB_SUMMARY_EVERY_NS < *ret_next_ns)
            *ret_next_ns = since_ns + LB_SUMMARY_EVERY_NS;
    }
    return false;
}

void lb_summary_told(struct lb_commit *commit, uint32_t service_ix)
{
    for (uint32_t row = 0; row < LB_SUPPRESSED; row++)
        if (get(commit, row, LB_SUPPRESSED_SERVICE) == service_ix + 1)
            set(commit, row, LB_SUPPRESSED_SERVICE, 0);
    for (unsigned i = 0; i < LB_HELD_REASONS; i++)
        service_set(commit, service_ix, LB_THROTTLE_UNTOLD + i, 0);
    service_set(commit, service_ix, LB_THROTTLE_SINCE_NS, 0);
    service_set(commit, service_ix, LB_THROTTLE_LAST_NS, 0);
    service_set(commit, service_ix, LB_THROTTLE_REST_LINES, 0);
    service_set(commit, service_ix, LB_THROTTLE_REST_BYTES, 0);
    service_set(commit, service_ix, LB_THROTTLE_PROMOTED_LINES, 0);
    service_set(commit, service_ix, LB_THROTTLE_PROMOTED_BYTES, 0);
}
